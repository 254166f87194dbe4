//! `slmc`: self-learning hybrid Monte Carlo.
//!
//! Sample exactly, propose cheaply, learn as you go: trajectories run on a Behler–Parrinello network, an exact
//! oracle decides acceptance, and every label retrains the network. Method: Nagai, Okumura, Kobayashi and Shiga,
//! Phys. Rev. B 102, 041124(R) (2020).
//!
//! Energies are in eV, lengths in Å, masses in atomic mass units throughout; see [`units`].

pub mod analysis;
pub mod cli;
pub mod config;
pub mod data;
pub mod descriptor;
pub mod dynamics;
pub mod formats;
pub mod linear;
pub mod network;
pub mod observe;
pub mod oracle;
pub mod potential;
pub mod rng;
pub mod run;
pub mod sampling;
pub mod structure;
pub mod study;
pub mod training;
pub mod units;
mod vector;
