//! What a run shows while it works and afterwards: bars on a terminal, plain lines elsewhere, tables, figures, a page.

pub mod columns;
pub mod export;
pub mod frames;
mod progress;
pub mod report;

pub use progress::{Observer, Silent, Snapshot, progress};
