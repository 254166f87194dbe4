//! The analytic oracles are right: derivatives, symmetries, published numbers, LAMMPS, and the same bits at any number of
//! threads.

mod derivatives;
mod examples;
mod lammps;
mod oracle;
mod published;
mod systems;
