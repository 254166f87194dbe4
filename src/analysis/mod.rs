//! What a run's numbers say: pure functions from series and frames to statistics, structure and advice.

pub mod acceptance;
pub mod advice;
pub mod calibration;
pub mod chains;
pub mod displacement;
pub mod exchange;
pub mod observable;
pub mod plot;
pub mod radial;
pub mod statistics;
pub mod thermodynamics;

/// Series or frames that cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The text could not be read.
    #[error("line {line} cannot be read: {source}; give a text file with one column of numbers per chain")]
    Read {
        /// The line, from 1.
        line: usize,
        /// What the reader said.
        source: std::io::Error,
    },
    /// No numbers at all.
    #[error("there are no numbers; give at least one line of numbers, one column per chain")]
    NoNumbers,
    /// A cell that is not a number.
    #[error("line {line}, column {column}: {text} is not a number; {remedy}")]
    NotANumber {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The cell in quotes.
        text: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A line with another number of cells than the lines before.
    #[error(
        "line {line} has {found} columns where the lines before have {expected}: column {column} is {problem}; \
         all chains must be equally long, so cut them at the shortest"
    )]
    Ragged {
        /// The line, from 1.
        line: usize,
        /// Its number of cells.
        found: usize,
        /// The number of cells of the lines before.
        expected: usize,
        /// The first column that is missing or extra, from 1.
        column: usize,
        /// "missing" or "extra".
        problem: &'static str,
    },
    /// A blank line with numbers after it.
    #[error("line {line}, column 1: blank, with numbers after it; remove the line, or put the missing numbers in")]
    Blank {
        /// The line, from 1.
        line: usize,
    },
    /// No frames to average over.
    #[error("there are no frames to analyse; give a trajectory with at least one")]
    NoFrames,
    /// A frame in a cell that is not periodic in all directions has no density to compare with.
    #[error("frame {frame} is not periodic in all three directions, so it has no density; give a bulk cell")]
    NotBulk {
        /// The frame, from 0.
        frame: usize,
    },
    /// A frame of other atoms than the first.
    #[error("frame {frame} holds other atoms than the first one; analyse trajectories of one system at a time")]
    OtherAtoms {
        /// The frame, from 0.
        frame: usize,
    },
    /// A range or a number of bins that makes no histogram.
    #[error("a histogram up to {range} Å in {bins} bins is empty; give a positive range and at least one bin")]
    Histogram {
        /// The range in Å.
        range: f64,
        /// The number of bins.
        bins: usize,
    },
    /// A picture that could not be drawn.
    #[error("the figure cannot be drawn: {0}; check that every series holds a finite number")]
    Plot(String),
}
