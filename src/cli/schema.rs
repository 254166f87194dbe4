//! `slmc schema`: the configuration's JSON schema or its documentation.

use clap::Args;

use super::say;
use crate::config::{json_schema, markdown};

/// Arguments of `slmc schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Print docs/config.md instead of JSON.
    #[arg(long)]
    markdown: bool,
}

impl Schema {
    /// Prints.
    pub fn run(self) {
        if self.markdown {
            say(&markdown());
        } else {
            say(&serde_json::to_string_pretty(&json_schema()).unwrap_or_default());
        }
    }
}
