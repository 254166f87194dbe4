//! A run: its directory, its journals, the phases it goes through and the driver that owns them.

pub mod directory;
pub mod driver;
pub mod journal;
pub mod learner;
pub mod records;

pub use directory::{RunDirectory, RunLock};
pub use driver::{Driver, Finish, RunError};
