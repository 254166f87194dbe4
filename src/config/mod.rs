//! The configuration: TOML text to a validated plan, all errors at once, each with its line and column.

mod checker;
mod delayed;
mod documentation;
mod ensemble;
mod exchange;
mod given;
mod kernels;
mod masses;
mod numbers;
mod oracle;
mod oracle_check;
mod parse;
mod plan;
mod schema;
mod starts;
mod template;

pub use delayed::DelayedAcceptanceConfig;
pub use documentation::{json_schema, markdown};
pub use exchange::{ExchangeConfig, PairsConfig};
pub use given::momentum_is_removed;
pub use kernels::{LocalConfig, MoveWeights, NestedConfig, RegionsConfig};
pub use oracle::{OracleChoice, open_oracle, select_oracle};
pub use parse::{Complaint, ConfigError, override_text, parse};
pub use plan::{Surroundings, build_plan};
pub use schema::*;
pub use template::{template, with_slurm};
