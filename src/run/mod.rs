//! A run: its directory, its journals, the phases it goes through and the driver that owns them.

pub mod batch;
pub mod bootstrap;
mod cell;
mod chain;
pub mod cost;
pub mod directory;
pub mod driver;
pub mod extrapolation;
pub mod fitter;
pub mod journal;
pub mod ladder;
pub mod learner;
pub mod outputs;
pub mod plan;
pub mod records;
pub mod replicas;
pub mod results;
pub mod stages;
pub mod stop;
pub mod store;
pub mod trainer;

pub use directory::{RunDirectory, RunLock};
pub use driver::{Driver, Finish, RunError};
