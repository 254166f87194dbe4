//! The promise: labels that are batch jobs of Slurm are the labels, each computed once, whatever happens to drivers, jobs and
//! controllers; an answer that is not certain never is a label.

mod faults;
mod guide;
#[path = "../harness/mod.rs"]
mod harness;
mod kills;
mod labels;
mod place;
#[path = "../harness/slurm.rs"]
mod slurm;
mod stand_in;
mod taken_over;
