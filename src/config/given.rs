//! What a configuration brings along: a given surface to propose with and structures already labelled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::checker::Checker;
use super::oracle::select_oracle;
use super::schema::{Config, KernelConfig};
use crate::formats::n2p2::{self, UnitsError};
use crate::oracle::analytic::{AnalyticConfig, build};
use crate::potential::{Potential, Swirl, load};
use crate::run::plan::LabelDigests;
use crate::structure::Structure;
use crate::training::LabelledStructure;

/// Whether the momentum of the centre of mass is removed: oracle and proposal are translation-invariant, no atom is fixed, and
/// trajectories move the whole cell.
pub fn momentum_is_removed(config: &Config, first_frame: &Structure) -> bool {
    let oracle = select_oracle(&config.oracle, None);
    let mut unheard = Checker {
        text: "",
        complaints: Vec::new(),
    };
    let given = given_proposal(config, Path::new("/"), first_frame, &mut unheard);
    oracle.is_ok_and(|choice| choice.translation_invariant(first_frame))
        && given.is_none_or(|potential| potential.translation_invariant())
        && !first_frame.fixed.contains(&true)
        && !matches!(config.sampling.kernel, KernelConfig::Local(_))
        && !super::ensemble::keeps_centre_of_mass(&config.ensemble)
}

/// The surface of `[proposal]`, if one is given.
pub(super) fn given_proposal(
    config: &Config,
    folder: &Path,
    first: &Structure,
    check: &mut Checker<'_>,
) -> Option<Arc<dyn Potential>> {
    let section = config.proposal.clone();
    let analytic: Vec<AnalyticConfig> = [
        section.einstein.map(AnalyticConfig::Einstein),
        section.lennard_jones.map(AnalyticConfig::LennardJones),
        section.stillinger_weber.map(AnalyticConfig::StillingerWeber),
        section.vashishta.map(AnalyticConfig::Vashishta),
        section.asymmetric.map(AnalyticConfig::Asymmetric),
        section.double_well.map(AnalyticConfig::DoubleWell),
    ]
    .into_iter()
    .flatten()
    .collect();
    if analytic.len() + usize::from(section.potential.is_some()) > 1 {
        check.complain(
            "proposal",
            "more than one surface is given to propose with",
            "keep one of `potential` and the tables",
        );
        return None;
    }
    let potential: Arc<dyn Potential> = if let Some(surface) = analytic.first() {
        match build(surface, first) {
            Ok(surface) => Arc::from(surface),
            Err(error) => {
                check.complain(
                    &format!("proposal.{}", surface.name()),
                    error.to_string(),
                    "see docs/config.md",
                );
                return None;
            }
        }
    } else if let Some(name) = &section.potential {
        let place = folder.join(name);
        let units = match section.units.as_deref().map(str::parse).transpose() {
            Ok(units) => units,
            Err(error) => {
                let error: UnitsError = error;
                check.complain(
                    "proposal.units",
                    error.to_string(),
                    "remove it where the folder is in Å and eV",
                );
                return None;
            }
        };
        if units.is_some() && !n2p2::is_folder(&place) {
            check.complain(
                "proposal.units",
                "only a folder of n2p2 leaves its units open",
                "remove it",
            );
            return None;
        }
        let potential = match load(&place, units.unwrap_or_default()) {
            Ok(potential) => potential,
            Err(error) => {
                check.complain(
                    "proposal.potential",
                    error.to_string(),
                    "name the folder that `slmc train` wrote, a potentials/gen-NNN folder of a run, or a folder of n2p2",
                );
                return None;
            }
        };
        let unknown = first
            .elements()
            .into_iter()
            .find(|element| !potential.descriptor.elements().contains(element));
        if let Some(element) = unknown {
            check.complain(
                "proposal.potential",
                format!("the potential does not know {element}, which the structure holds"),
                "give a potential trained on all its elements",
            );
            return None;
        }
        Arc::new(potential)
    } else {
        if section.units.is_some() {
            check.complain(
                "proposal.units",
                "there is no potential whose units it could name",
                "remove it",
            );
        }
        if section.swirl != 0.0 {
            check.complain(
                "proposal.swirl",
                "there is no given surface to swirl",
                "add a table such as [proposal.lennard-jones], or remove it",
            );
        }
        return None;
    };
    Some(if section.swirl == 0.0 {
        potential
    } else {
        Arc::new(Swirl::new(potential, section.swirl))
    })
}

/// The structures of `bootstrap.data` with the digests of the oracles that labelled them, where the files tell.
pub(super) fn read_data(
    config: &Config,
    folder: &Path,
    first: &Structure,
    check: &mut Checker<'_>,
) -> (Vec<Arc<LabelledStructure>>, LabelDigests) {
    let mut data = Vec::new();
    let mut digests = BTreeSet::new();
    for name in &config.bootstrap.data {
        let frames = match crate::formats::read(folder.join(name)) {
            Ok(frames) => frames,
            Err(error) => {
                check.complain(
                    "bootstrap.data",
                    error.to_string(),
                    "the path is relative to the configuration file",
                );
                continue;
            }
        };
        let elements = first.elements();
        for (index, frame) in frames.into_iter().enumerate() {
            let Some(labels) = frame.force_consistent_labels() else {
                check.complain(
                    "bootstrap.data",
                    format!("frame {index} of {name} has no energy"),
                    "label it with `slmc label`, or take it out",
                );
                break;
            };
            if frame
                .structure
                .species
                .iter()
                .any(|species| !elements.contains(species))
            {
                check.complain(
                    "bootstrap.data",
                    format!("frame {index} of {name} holds an element that the structure has not"),
                    "take it out",
                );
                break;
            }
            if let Some(digest) = frame.info.get("slmc_fingerprint") {
                digests.insert((frame.structure.elements(), digest.clone()));
            }
            data.push(Arc::new(LabelledStructure {
                structure: frame.structure,
                labels,
            }));
        }
    }
    (data, digests)
}
