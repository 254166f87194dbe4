//! What is held constant: the part of the target's density that is known without the oracle.

use std::sync::Arc;

use crate::dynamics::{Barostat, Mover, StrainRate};
use crate::linear::Mat3;
use crate::sampling::Environment;
use crate::structure::Structure;

/// An ensemble of constant number of atoms and temperature.
#[derive(Clone, Debug, PartialEq)]
pub enum Ensemble {
    /// At constant cell.
    Canonical,
    /// At constant pressure (or tension): the cell is a variable.
    IsothermalIsobaric(Arc<Barostat>),
}

impl Ensemble {
    /// What moves the cell, where it moves.
    pub fn barostat(&self) -> Option<&Barostat> {
        match self {
            Self::Canonical => None,
            Self::IsothermalIsobaric(barostat) => Some(barostat),
        }
    }

    /// The work W of the load in eV; zero in the canonical ensemble.
    pub fn work(&self, structure: &Structure) -> f64 {
        self.barostat()
            .map_or(0.0, |barostat| barostat.load.work(&structure.cell))
    }

    /// Whether the target reaches a structure's cell.
    pub fn allows(&self, structure: &Structure) -> bool {
        self.barostat()
            .is_none_or(|barostat| barostat.domain.contains(&structure.cell))
    }
}

impl Environment {
    /// The same at another temperature (kT in eV) and, where the cell moves, pressure (eV/Å³).
    #[must_use]
    pub fn at(&self, thermal_energy: f64, pressure: f64) -> Self {
        let ensemble = match &self.ensemble {
            Ensemble::Canonical => Ensemble::Canonical,
            Ensemble::IsothermalIsobaric(barostat) => {
                let mut barostat = barostat.as_ref().clone();
                barostat.thermal_energy = thermal_energy;
                barostat.load.pressure = pressure;
                Ensemble::IsothermalIsobaric(Arc::new(barostat))
            }
        };
        Self {
            thermal_energy,
            ensemble,
            ..self.clone()
        }
    }

    /// What moves along a trajectory.
    pub fn mover(&self) -> Mover<'_> {
        Mover {
            kinetics: &self.kinetics,
            barostat: self.ensemble.barostat(),
        }
    }

    /// Fresh strain rates of the cell; zero, and nothing drawn, where it rests.
    pub fn draw_strain_rate(&self, generator: &mut impl rand::Rng) -> StrainRate {
        self.ensemble
            .barostat()
            .map_or([0.0; 9], |barostat| barostat.draw(generator))
    }

    /// The lattice vectors, where they are variables: what a decision records.
    pub fn moving_cell(&self, structure: &Structure) -> Option<Mat3> {
        self.ensemble.barostat().map(|_| *structure.cell.vectors())
    }

    /// What a trajectory's two ends differ by beside potential and kinetic energy: Δ(W − kT ln m), with m the target's density over the
    /// measure that trajectories preserve. Zero in the canonical ensemble.
    pub fn cell_change(&self, from: &Structure, to: &Structure) -> f64 {
        let mover = self.mover();
        mover.cell_potential(to) - mover.cell_potential(from)
    }
}
