//! The report of a run: one HTML page that needs nothing else, and its figures as files.

mod figures;
mod page;
mod replicas;

use std::path::Path;

pub use figures::Figure;
pub use page::{Section, document, drawn, with_error};

use crate::formats::Frame;
use crate::observe::columns::Column;
use crate::observe::frames::evenly_spaced;
use crate::run::RunDirectory;
use crate::run::journal::Journal;
use crate::run::records::Event;
use crate::run::results::{Analysis, Results};

/// At most this many frames of all chains together go into the figures.
const MOST_FRAMES: usize = 400;

/// A report: figures and the page that holds them.
#[derive(Debug)]
pub struct Report {
    /// The figures.
    pub figures: Vec<Figure>,
    /// The page.
    pub html: String,
}

/// Makes the report of a run from what was read of it. What a run has no numbers for is left out; a damaged trajectory or event log
/// costs its figures, not the report.
pub fn report(root: &Path, results: &Results, analysis: &Analysis, columns: &[Column]) -> Report {
    let directory = RunDirectory::new(root);
    let kept = results.kept();
    let most = MOST_FRAMES / kept.len().max(1);
    let mut frames: Vec<Vec<Frame>> = Vec::new();
    for (chain, (_, decisions)) in kept.iter().enumerate() {
        let first = decisions.first().map_or(u64::MAX, |decision| decision.step);
        let mut own =
            evenly_spaced(&directory.trajectory(results.first_chain + chain), most.max(10)).unwrap_or_default();
        own.retain(|frame| frame.info_number("slmc_step").is_some_and(|step| step as u64 >= first));
        frames.push(own);
    }
    let events = Journal::<Event>::read(&directory.events()).unwrap_or_default();
    let figures = figures::figures(root, results, &frames, columns);
    let html = page::page(results, analysis, columns, &figures, &events);
    Report { figures, html }
}

impl Report {
    /// Writes each figure as NAME.svg and NAME.png into a folder, made if need be.
    pub fn write_figures(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        self.figures.iter().try_for_each(|figure| figure.write(folder))
    }
}
