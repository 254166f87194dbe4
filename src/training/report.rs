//! The fit report: how well a potential reproduces the labels it learnt from, and those it did not see.

use std::collections::BTreeMap;
use std::fmt;

use super::frame::{Frame, voigt};
use super::ridge::RidgeChoice;
use crate::potential::Labels;
use crate::structure::Structure;

/// Errors over a set of frames. Keys are absent where nothing was labelled.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Errors {
    /// Frames compared.
    pub frames: usize,
    /// Force components compared.
    pub force_components: usize,
    /// Root mean square error of the energy per atom, eV.
    pub energy_rmse_per_atom: f64,
    /// Mean absolute error of the energy per atom, eV.
    pub energy_mae_per_atom: f64,
    /// Standard deviation of the error of the total energy, eV: what decides acceptance.
    pub energy_error_std: f64,
    /// Root mean square error of the force components, eV/Å.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub force_rmse: Option<f64>,
    /// Mean absolute error of the force components, eV/Å.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub force_mae: Option<f64>,
    /// Root mean square error of the six stress components, eV/Å³.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stress_rmse: Option<f64>,
    /// Mean absolute error of the six stress components, eV/Å³.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stress_mae: Option<f64>,
    /// Root mean square error of the force components on the atoms of each element, eV/Å.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub force_rmse_by_element: BTreeMap<String, f64>,
}

/// What a potential says of one frame, in the order of the frame's targets.
#[derive(Clone, Debug, Default)]
pub(super) struct Predicted {
    pub energy: f64,
    pub forces: Vec<f64>,
    pub virial: Vec<f64>,
}

impl Predicted {
    /// What a potential says of a structure.
    pub fn new(labels: Labels, structure: &Structure) -> Self {
        let volume = structure.cell.volume();
        Self {
            energy: labels.energy,
            forces: labels.forces.into_iter().flatten().flatten().collect(),
            virial: labels.stress.iter().flat_map(voigt).map(|s| s * volume).collect(),
        }
    }
}

/// Sums of differences, of their absolute values and squares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    count: usize,
    sum: f64,
    absolute: f64,
    square: f64,
}

impl Moments {
    pub fn add(&mut self, difference: f64) {
        self.count += 1;
        self.sum += difference;
        self.absolute += difference.abs();
        self.square += difference * difference;
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.count > 0).then(|| sum / self.count as f64)
    }

    pub fn rms(&self) -> Option<f64> {
        self.mean(self.square).map(f64::sqrt)
    }

    pub fn mae(&self) -> Option<f64> {
        self.mean(self.absolute)
    }

    /// The standard deviation with the number less one; 0 for a single difference.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean(self.sum)?;
        let spread = self.square - mean * self.sum;
        Some((spread / (self.count as f64 - 1.0).max(1.0)).max(0.0).sqrt())
    }
}

impl Errors {
    /// Compares predictions with the labels of frames; `elements` names the descriptor's elements.
    pub(super) fn measure<'a>(pairs: impl Iterator<Item = (&'a Frame, &'a Predicted)>, elements: &[String]) -> Self {
        let (mut total, mut per_atom) = (Moments::default(), Moments::default());
        let (mut force, mut stress) = (Moments::default(), Moments::default());
        let mut by_element = vec![Moments::default(); elements.len()];
        for (frame, predicted) in pairs {
            let difference = predicted.energy - frame.energy;
            total.add(difference);
            per_atom.add(difference / frame.atoms as f64);
            for (index, (target, value)) in frame.forces.iter().zip(&predicted.forces).enumerate() {
                force.add(value - target);
                by_element[frame.element_of[index / 3]].add(value - target);
            }
            if let Some(volume) = frame.volume {
                for (target, value) in frame.virial.iter().zip(&predicted.virial) {
                    stress.add((value - target) / volume);
                }
            }
        }
        Self {
            frames: total.count,
            force_components: force.count,
            energy_rmse_per_atom: per_atom.rms().unwrap_or(0.0),
            energy_mae_per_atom: per_atom.mae().unwrap_or(0.0),
            energy_error_std: total.deviation().unwrap_or(0.0),
            force_rmse: force.rms(),
            force_mae: force.mae(),
            stress_rmse: stress.rms(),
            stress_mae: stress.mae(),
            force_rmse_by_element: elements
                .iter()
                .zip(&by_element)
                .filter_map(|(element, moments)| Some((element.clone(), moments.rms()?)))
                .collect(),
        }
    }
}

/// One member of the committee.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MemberReport {
    /// The fold whose frames it validated on.
    pub fold: usize,
    /// Whether it started from the previous generation.
    pub warm: bool,
    /// Epochs run.
    pub epochs: usize,
    /// The epoch whose parameters were taken, 0 for the start.
    pub best_epoch: usize,
    /// Errors on its validation frames without networks.
    pub without: Errors,
    /// Errors on its validation frames with its networks.
    pub with: Errors,
}

/// What became of the networks.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NetworkReport {
    /// Whether they are part of the potential: they are if they lower the validation error of the total energy.
    pub kept: bool,
    /// The members.
    pub members: Vec<MemberReport>,
}

/// The outcome of a fit, reproducible bit for bit: it holds no time.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FitReport {
    /// Labelled frames.
    pub labels: usize,
    /// Atoms in all frames.
    pub atoms: usize,
    /// Symmetry functions per element.
    pub functions: BTreeMap<String, usize>,
    /// How far they reach, Å.
    #[serde(default)]
    pub cutoff: f64,
    /// Weights and regularisation of the linear path, chosen by cross-validation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub linear: Option<RidgeChoice>,
    /// The networks, where they were trained.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub networks: Option<NetworkReport>,
    /// The potential on the frames it was fitted to.
    pub train: Errors,
    /// Fits of the same kind on frames held out from them: all frames in turn for a linear path, one fold with networks.
    pub validation: Errors,
    /// What a reader should know: why networks were left out, what diverged.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

impl fmt::Display for FitReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<String> = self
            .functions
            .iter()
            .map(|(element, n)| format!("{element} {n}"))
            .collect();
        writeln!(
            formatter,
            "{} labels, {} atoms; symmetry functions: {}; within {:.2} Å",
            self.labels,
            self.atoms,
            functions.join(", "),
            self.cutoff
        )?;
        if let Some(choice) = &self.linear {
            writeln!(
                formatter,
                "linear path: energy weight {}, stress weight {}, regularisation {:e}",
                choice.energy_weight, choice.stress_weight, choice.regularisation
            )?;
        }
        if let Some(networks) = &self.networks {
            let epochs: Vec<String> = networks
                .members
                .iter()
                .map(|member| format!("{}/{}", member.best_epoch, member.epochs))
                .collect();
            writeln!(
                formatter,
                "networks: {}, epochs {}",
                if networks.kept { "kept" } else { "left out" },
                epochs.join(" ")
            )?;
        }
        writeln!(formatter, "{:<34}{:>12}{:>12}", "", "train", "validation")?;
        let mut row = |name: &str, scale: f64, value: fn(&Errors) -> Option<f64>| {
            let show = |errors: &Errors| value(errors).map_or("-".to_owned(), |x| format!("{:.4}", scale * x));
            writeln!(
                formatter,
                "{name:<34}{:>12}{:>12}",
                show(&self.train),
                show(&self.validation)
            )
        };
        row("energy error std, meV (total)", 1e3, |e| Some(e.energy_error_std))?;
        row("energy RMSE, meV/atom", 1e3, |e| Some(e.energy_rmse_per_atom))?;
        row("energy MAE, meV/atom", 1e3, |e| Some(e.energy_mae_per_atom))?;
        row("force RMSE, meV/Å", 1e3, |e| e.force_rmse)?;
        row("force MAE, meV/Å", 1e3, |e| e.force_mae)?;
        let gpa = crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;
        row("stress RMSE, GPa", gpa, |e| e.stress_rmse)?;
        row("stress MAE, GPa", gpa, |e| e.stress_mae)?;
        for (element, rmse) in &self.train.force_rmse_by_element {
            let other = self.validation.force_rmse_by_element.get(element);
            let other = other.map_or("-".to_owned(), |x| format!("{:.4}", 1e3 * x));
            let name = format!("force RMSE on {element}, meV/Å");
            writeln!(formatter, "{name:<34}{:>12.4}{other:>12}", 1e3 * rmse)?;
        }
        for note in &self.notes {
            writeln!(formatter, "note: {note}")?;
        }
        Ok(())
    }
}
