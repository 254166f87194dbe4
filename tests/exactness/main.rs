//! The promise of exactness: whatever the proposals, means and variances are the oracle's, within five standard errors.
//!
//! Everything runs at the level of the library, on a loop over one step of a kernel; only [`command_line`] goes through
//! the program. The quick form has few seeds; `SLMC_FULL=1` runs twenty of each.

mod canonical;
mod command_line;
mod constant_pressure;
mod coverage;
mod delayed;
mod divergence;
mod elastic;
mod exchange;
mod harness;
mod langevin;
mod masses;
mod nested;
mod over_relaxation;
mod targets;
mod truncated;
