//! Analytic oracles: potential-energy surfaces given by formulas, which answer at once.
//!
//! Each surface is a [`Potential`], so it can also serve as a proposal surface; [`AnalyticOracle`] makes an [`Oracle`] of
//! any of them.

mod accumulation;
pub mod asymmetric;
pub mod double_well;
pub mod einstein;
pub mod lennard_jones;
mod parameters;
mod sites;
pub mod stillinger_weber;
pub mod vashishta;

pub use asymmetric::{Asymmetric, AsymmetricConfig};
pub use double_well::{DoubleWell, DoubleWellConfig};
pub use einstein::{Einstein, EinsteinConfig};
pub use lennard_jones::{LennardJones, LennardJonesConfig, LennardJonesPair, Truncation};
pub use sites::Moments;
pub use stillinger_weber::{StillingerWeber, StillingerWeberConfig};
pub use vashishta::{Vashishta, VashishtaConfig, VashishtaPair, VashishtaTriplet};

use parameters::Parameters;

use super::{Fingerprint, JobDir, Labels, Oracle, OracleError};
use crate::potential::{Potential, Workspace};
use crate::structure::{NeighbourList, Species, Structure};

/// Parameters of one analytic surface.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnalyticConfig {
    /// Independent springs, with exactly known averages.
    Einstein(EinsteinConfig),
    /// The Lennard-Jones potential, by default of argon.
    LennardJones(LennardJonesConfig),
    /// The Stillinger–Weber potential, by default of silicon.
    StillingerWeber(StillingerWeberConfig),
    /// The Vashishta potential, by default of SiO₂.
    Vashishta(VashishtaConfig),
    /// Independent skewed wells, with exactly known averages.
    Asymmetric(AsymmetricConfig),
    /// Independent double wells, with exactly known averages.
    DoubleWell(DoubleWellConfig),
}

impl AnalyticConfig {
    /// The names of the surfaces, as `[oracle.NAME]` and `--oracle NAME` have them.
    pub const NAMES: [&str; 6] = [
        "einstein",
        "lennard-jones",
        "stillinger-weber",
        "vashishta",
        "asymmetric",
        "double-well",
    ];

    /// The surface of a name with its default parameters.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "einstein" => Self::Einstein(EinsteinConfig::default()),
            "lennard-jones" => Self::LennardJones(LennardJonesConfig::default()),
            "stillinger-weber" => Self::StillingerWeber(StillingerWeberConfig::default()),
            "vashishta" => Self::Vashishta(VashishtaConfig::default()),
            "asymmetric" => Self::Asymmetric(AsymmetricConfig::default()),
            "double-well" => Self::DoubleWell(DoubleWellConfig::default()),
            _ => return None,
        })
    }

    /// The surface's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Einstein(_) => "einstein",
            Self::LennardJones(_) => "lennard-jones",
            Self::StillingerWeber(_) => "stillinger-weber",
            Self::Vashishta(_) => "vashishta",
            Self::Asymmetric(_) => "asymmetric",
            Self::DoubleWell(_) => "double-well",
        }
    }
}

/// An analytic surface that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnalyticError {
    /// A parameter without meaning.
    #[error("{surface}: `{key}` {reason}")]
    Parameter {
        /// The surface.
        surface: &'static str,
        /// The key in the surface's table.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A structure with a species the surface has no parameters for.
    #[error("{surface}: no parameters for {species} (atom {atom}); it has {known}: add them or take another oracle")]
    UnknownSpecies {
        /// The surface.
        surface: &'static str,
        /// The species.
        species: Species,
        /// The first atom of it, counted from zero.
        atom: usize,
        /// The species there are parameters for.
        known: String,
    },
    /// As many sites as atoms are needed.
    #[error("{surface}: there are {found} sites for {atoms} atoms: give one per atom, or none to take the first frame")]
    SiteCount {
        /// The surface.
        surface: &'static str,
        /// The number of sites.
        found: usize,
        /// The number of atoms.
        atoms: usize,
    },
}

impl AnalyticError {
    fn parameter(surface: &'static str, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Parameter {
            surface,
            key: key.into(),
            reason: reason.into(),
        }
    }
}

/// A surface that can name all that defines it.
trait Surface: Potential {
    /// Every parameter of the surface, with all digits.
    fn parameters(&self) -> Parameters;

    /// Refuses a structure that the surface is not made for: other species, another number of atoms.
    fn check(&self, structure: &Structure) -> Result<(), AnalyticError>;
}

fn build_surface(config: &AnalyticConfig, first_frame: &Structure) -> Result<Box<dyn Surface>, AnalyticError> {
    Ok(match config {
        AnalyticConfig::Einstein(config) => Box::new(Einstein::new(config, first_frame)?),
        AnalyticConfig::LennardJones(config) => Box::new(LennardJones::new(config, first_frame)?),
        AnalyticConfig::StillingerWeber(config) => Box::new(StillingerWeber::new(config, first_frame)?),
        AnalyticConfig::Vashishta(config) => Box::new(Vashishta::new(config, first_frame)?),
        AnalyticConfig::Asymmetric(config) => Box::new(Asymmetric::new(config, first_frame)?),
        AnalyticConfig::DoubleWell(config) => Box::new(DoubleWell::new(config, first_frame)?),
    })
}

/// The surface of a config as a potential, to be used as a proposal surface. One-body surfaces take their sites from the
/// first frame unless the config lists them.
pub fn build(config: &AnalyticConfig, first_frame: &Structure) -> Result<Box<dyn Potential>, AnalyticError> {
    Ok(build_surface(config, first_frame)?)
}

/// An analytic surface as an oracle. Its answers depend on the structure alone, bit for bit.
pub struct AnalyticOracle {
    name: String,
    surface: Box<dyn Surface>,
    form: &'static str,
    workspace: Workspace,
}

impl AnalyticOracle {
    /// The oracle of a config; `name` is what messages call it.
    pub fn new(
        name: impl Into<String>,
        config: &AnalyticConfig,
        first_frame: &Structure,
    ) -> Result<Self, AnalyticError> {
        Ok(Self {
            name: name.into(),
            surface: build_surface(config, first_frame)?,
            form: config.name(),
            workspace: Workspace::new(),
        })
    }

    fn wrong_system(&self, error: &AnalyticError) -> OracleError {
        let message = error.to_string();
        OracleError::Fatal {
            oracle: self.name.clone(),
            reason: message
                .strip_prefix(&format!("{}: ", self.form))
                .unwrap_or(&message)
                .to_owned(),
        }
    }

    fn unphysical(&self, structure: &Structure) -> OracleError {
        OracleError::Unphysical {
            oracle: self.name.clone(),
            reason: match closest_pair(structure) {
                Some((i, j, distance)) => {
                    format!("energy or forces are not finite; atoms {i} and {j} are {distance:.3} Å apart")
                }
                None => "energy or forces are not finite".to_owned(),
            },
        }
    }
}

/// The closest two atoms (or images) among those nearer than 1 Å.
fn closest_pair(structure: &Structure) -> Option<(usize, usize, f64)> {
    use crate::linear::{add, norm, sub};
    if !structure.positions.iter().flatten().all(|x| x.is_finite()) {
        return None;
    }
    let list = NeighbourList::build(structure, 1.0);
    let mut closest: Option<(usize, usize, f64)> = None;
    for i in 0..structure.len() {
        for neighbour in list.of(i) {
            let j = neighbour.index as usize;
            let distance = norm(sub(
                add(structure.positions[j], neighbour.offset),
                structure.positions[i],
            ));
            if closest.is_none_or(|(_, _, least)| distance < least) {
                closest = Some((i, j, distance));
            }
        }
    }
    closest
}

impl Oracle for AnalyticOracle {
    fn label(&mut self, structure: &Structure, _job: &JobDir) -> Result<Labels, OracleError> {
        // Neighbours come in an order of their own and each surface tests its own cutoff, so an old list gives the same
        // bits as a fresh one.
        let labels = self.surface.evaluate(structure, &mut self.workspace);
        if labels.is_finite() {
            return Ok(labels);
        }
        Err(match self.surface.check(structure) {
            Ok(()) => self.unphysical(structure),
            Err(error) => self.wrong_system(&error),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut entries = self.surface.parameters().0;
        entries.insert("code".to_owned(), "slmc analytic".to_owned());
        // Counted up whenever a surface's formula changes.
        entries.insert("revision".to_owned(), "1".to_owned());
        entries.insert("surface".to_owned(), self.form.to_owned());
        Fingerprint(entries)
    }

    fn translation_invariant(&self) -> bool {
        self.surface.translation_invariant()
    }
}
