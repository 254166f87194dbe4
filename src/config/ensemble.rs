//! From the ensemble's table to the ensemble: what is held constant, and complaints about what cannot be.

use std::sync::Arc;

use super::checker::Checker;
use super::oracle::OracleChoice;
use super::schema::{
    CellFormConfig, CentreOfMassConfig, Config, CouplingConfig, EnsembleConfig, KernelConfig, StrainRateConfig,
};
use crate::dynamics::{Barostat, CellMotion, Domain, Kinetics, Load, MomentumCoupling, Tension};
use crate::oracle::analytic::build;
use crate::potential::{Potential, Workspace};
use crate::sampling::Ensemble;
use crate::structure::Structure;
use crate::units::{Pressure, Temperature};

/// The strain of bootstrap copies at constant pressure where none is given.
const BOOTSTRAP_STRAIN: f64 = 0.02;

/// The temperature of the one ensemble that is chosen.
pub(super) fn chosen_temperature(config: &Config, check: &mut Checker<'_>) -> Option<Temperature> {
    let ensemble = &config.ensemble;
    if ensemble.nvt.is_some() && ensemble.npt.is_some() {
        check.complain(
            "ensemble.npt",
            "two ensembles are chosen",
            "keep one of [ensemble.nvt] and [ensemble.npt]",
        );
    }
    if ensemble.temperature().is_none() {
        check.complain(
            "ensemble",
            "no ensemble is chosen",
            "add [ensemble.nvt] with temperature = \"300 K\", or [ensemble.npt] with a pressure",
        );
    }
    ensemble.temperature()
}

/// Whether the configuration wants the centre of mass to move.
pub(super) fn keeps_centre_of_mass(config: &EnsembleConfig) -> bool {
    let npt = config.npt.as_ref();
    npt.is_some_and(|npt| npt.centre_of_mass == CentreOfMassConfig::Kept)
}

/// The strain of the copies that are labelled first.
pub(super) fn bootstrap_strain(config: &Config) -> f64 {
    let usual = if config.ensemble.npt.is_some() {
        BOOTSTRAP_STRAIN
    } else {
        0.0
    };
    config.bootstrap.strain.unwrap_or(usual)
}

/// Complains about structures, oracles, proposals and kernels that have no moving cell.
pub(super) fn check_cell(
    config: &Config,
    oracle: &OracleChoice,
    starts: &[Structure],
    given: Option<&dyn Potential>,
    check: &mut Checker<'_>,
) {
    let Some(npt) = &config.ensemble.npt else {
        return;
    };
    let first = &starts[0];
    if starts.iter().any(|start| !start.cell.is_bulk()) {
        check.complain(
            "ensemble.npt",
            "the structure is not periodic in all three directions, so it has no volume",
            "use [ensemble.nvt], or give a bulk cell",
        );
        return;
    }
    if !first.all_free() {
        check.complain(
            "ensemble.npt",
            "the structure has fixed atoms, and a place in a cell that moves is not fixed",
            "free them, or use [ensemble.nvt]",
        );
    }
    let constant_volume = match config.sampling.kernel {
        KernelConfig::Langevin(_) => Some("Langevin dynamics runs at constant volume only"),
        KernelConfig::Local(_) => Some("regions move at constant volume only"),
        KernelConfig::Slhmc | KernelConfig::Hmc | KernelConfig::Nested(_) => None,
    };
    if let Some(message) = constant_volume {
        check.complain(
            "sampling.kernel",
            message,
            "use the kernels \"slhmc\", \"hmc\" or \"nested\" at constant pressure",
        );
    }
    let domain = Domain::around(&first.cell, npt.largest_volume_change, npt.least_height);
    if starts.iter().skip(1).any(|start| !domain.contains(&start.cell)) {
        check.complain(
            "structure.start-from-frames",
            "a chain starts from a cell that lies outside the target, whose limits are set around the first",
            "widen largest-volume-change and least-height of [ensemble.npt], or leave that frame out",
        );
    }
    let edge = first.cell.volume().cbrt();
    let along_axes = |start: &Structure| {
        let vectors = start.cell.vectors();
        (0..9).all(|k| k / 3 == k % 3 || vectors[k / 3][k % 3].abs() < 1e-9 * edge)
    };
    if npt.cell == CellFormConfig::Orthorhombic && !starts.iter().all(along_axes) {
        check.complain(
            "ensemble.npt.cell",
            "an orthorhombic cell has its lattice vectors along x, y and z, and the structure's are not",
            "use \"flexible\", or turn the structure",
        );
    }
    let without_stress = |potential: &dyn Potential| potential.evaluate(first, &mut Workspace::new()).stress.is_none();
    // Strains of an inner chain are decided on energies alone.
    let by_stress = !matches!(config.sampling.kernel, KernelConfig::Nested(_));
    if by_stress && given.is_some_and(without_stress) {
        check.complain(
            "proposal",
            "the surface gives no stress, which moves the cell",
            "give one that does, or use [ensemble.nvt]",
        );
    }
    let on_oracle = matches!(config.sampling.kernel, KernelConfig::Hmc) || config.bootstrap.trajectories > 0;
    if let OracleChoice::Analytic(analytic) = oracle
        && on_oracle
        && build(analytic, first).is_ok_and(|surface| without_stress(surface.as_ref()))
    {
        check.complain(
            "ensemble.npt",
            "the oracle gives no stress, and trajectories on it need one",
            "use the kernel \"slhmc\" and bootstrap.trajectories = 0",
        );
    }
}

/// The ensemble that a checked configuration asks for.
pub(super) fn ensemble(config: &EnsembleConfig, start: &Structure, kinetics: &Kinetics) -> Ensemble {
    let Some(npt) = &config.npt else {
        return Ensemble::Canonical;
    };
    let motion = match (npt.cell, npt.strain_rate) {
        (CellFormConfig::Isotropic, _) => CellMotion::Isotropic,
        (CellFormConfig::Orthorhombic, _) => CellMotion::Orthorhombic,
        (CellFormConfig::Flexible, StrainRateConfig::Symmetric) => CellMotion::Symmetric,
        (CellFormConfig::Flexible, StrainRateConfig::Triangular) => CellMotion::Triangular,
        (CellFormConfig::Flexible, StrainRateConfig::Full) => CellMotion::Full,
    };
    let coupling = match npt.coupling {
        CouplingConfig::Independent => MomentumCoupling::Independent,
        CouplingConfig::Contravariant => MomentumCoupling::Contravariant,
        CouplingConfig::MartynaTobiasKlein => MomentumCoupling::MartynaTobiasKlein,
    };
    let tension = npt.tension.as_ref().map(|components| {
        let [xx, yy, zz, yz, xz, xy] = components.map(Pressure::value);
        Tension {
            tension: [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
            reference: start.cell,
        }
    });
    Ensemble::IsothermalIsobaric(Arc::new(Barostat {
        motion,
        coupling,
        mass: npt.cell_mass * Barostat::natural_mass(start),
        load: Load {
            pressure: npt.pressure.value(),
            tension,
        },
        domain: Domain::around(&start.cell, npt.largest_volume_change, npt.least_height),
        thermal_energy: npt.temperature.thermal_energy(),
        atoms: start.len(),
        degrees_of_freedom: kinetics.degrees_of_freedom(),
        volume_power: start.len() as f64 + 1.0,
        orientation_power: 2.0,
    }))
}
