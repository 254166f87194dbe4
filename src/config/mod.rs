//! The configuration: TOML text to a validated plan, all errors at once, each with its line and column.

mod documentation;
mod parse;
mod plan;
mod schema;
mod template;

pub use documentation::{json_schema, markdown};
pub use parse::{Complaint, ConfigError, override_text, parse};
pub use plan::{OracleChoice, Surroundings, build_plan, momentum_is_removed, open_oracle, select_oracle};
pub use schema::*;
pub use template::template;
