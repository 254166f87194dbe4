//! What a run's numbers say: pure functions from series and frames to statistics, structure and advice.

pub mod statistics;
