//! Sets of structures for training: made from others, thinned, chosen and divided. Frames in, frames out; no files.

mod choose;
mod duplicates;
pub mod import;
mod make;
mod split;

pub use choose::{ChooseError, farthest_points};
pub use duplicates::without_duplicates;
pub use make::{MakeError, Recipe, make};
pub use split::split;
