//! Studies: variants of one configuration times seeds, each a run; what they give as a table, plots and a page.

mod measure;
mod page;
mod runner;
mod size;
mod specification;
mod summary;

pub use measure::{Costs, Measured, measure, phase_rows, rows_header};
pub use page::{page, plots};
pub use runner::{Job, JobState, RunnerError, jobs, run_jobs};
pub use specification::{Specification, StudyError, Variant};
pub use summary::{Estimate, METRICS, Metric, VariantSummary, summarise, table};
