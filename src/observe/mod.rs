//! What a run shows while it works: bars on a terminal, plain lines elsewhere.

mod progress;

pub use progress::{Observer, Silent, Snapshot, progress};
