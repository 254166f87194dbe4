//! The configuration: TOML text to a validated plan, all errors at once, each with its line and column.

mod documentation;
mod parse;
mod plan;
mod schema;
mod template;

pub use documentation::{json_schema, markdown};
pub use parse::{Complaint, ConfigError, parse, parse_with_overrides};
pub use plan::{OracleChoice, build_plan, open_oracle, select_oracle};
pub use schema::*;
pub use template::template;
