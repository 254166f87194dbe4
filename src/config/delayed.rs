//! The section `[delayed-acceptance]`: the cheaper oracle that decides first, checked and opened.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checker::{Checker, locate};
use super::oracle::{OracleChoice, open_oracle, select_oracle};
use super::oracle_check::{Purpose, check_oracle};
use super::schema::{Config, KernelConfig, OracleConfig};
use crate::run::plan::FirstStagePlan;
use crate::structure::Structure;

/// Delayed acceptance: while sampling, a cheaper oracle decides first, and what it rejects costs no label of the dear one, which corrects
/// what passed. The ensemble stays the dear oracle's. While networks are learned the dear oracle labels every proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DelayedAcceptanceConfig {
    /// The oracle of the first stage: one table with the names and keys of those of `[oracle]`, such as
    /// `[delayed-acceptance.oracle.espresso]`.
    pub oracle: OracleConfig,
    /// Workers of the first stage side by side, beside those of `[pool]`.
    pub workers: usize,
    /// The cost of a label of the first stage in network time steps, for tuning; absent: a hundredth of `trajectory.label-cost`, which is
    /// then paid only for what passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_cost: Option<f64>,
}

impl Default for DelayedAcceptanceConfig {
    fn default() -> Self {
        Self {
            oracle: OracleConfig::default(),
            workers: 1,
            label_cost: None,
        }
    }
}

/// The cost of a label of the first stage where none is given, in labels of the dear oracle.
const CHEAPER: f64 = 0.01;

impl Config {
    /// The cost of a label of the first stage in network steps; `None` with one stage.
    pub(super) fn first_label_cost(&self) -> Option<f64> {
        let section = self.delayed_acceptance.as_ref()?;
        Some(section.label_cost.unwrap_or(CHEAPER * self.trajectory.label_cost))
    }
}

/// The key of the first stage's oracles.
const ORACLE: &str = "delayed-acceptance.oracle";

/// The oracle of the first stage; complains where there is none, or nothing for it to decide.
pub(super) fn first_stage(
    config: &Config,
    dear: &OracleChoice,
    first: &Structure,
    folder: &Path,
    check: &mut Checker<'_>,
    warnings: &mut Vec<String>,
) -> Option<OracleChoice> {
    let section = config.delayed_acceptance.as_ref()?;
    check.at_least_one("delayed-acceptance.workers", section.workers);
    if let Some(cost) = section.label_cost {
        check.positive("delayed-acceptance.label-cost", cost);
    }
    if matches!(config.sampling.kernel, KernelConfig::Hmc | KernelConfig::Langevin(_)) {
        check.complain(
            "delayed-acceptance",
            "this kernel runs on the dear oracle's own forces: there is nothing left to decide early",
            "use the kernel \"slhmc\", \"nested\" or \"local\", or remove it",
        );
    }
    let choice = match select_oracle(&section.oracle, None) {
        Ok(choice) => choice,
        Err(mut complaint) => {
            complaint.place = locate(check.text, ORACLE);
            complaint.message = format!("{ORACLE}: {}", complaint.message);
            complaint.hint = Some("give one table, such as [delayed-acceptance.oracle.espresso]".to_owned());
            check.complaints.push(complaint);
            return None;
        }
    };
    if choice == *dear {
        warnings.push(
            "both stages of delayed acceptance ask the same oracle: every label of what passes is paid for twice"
                .to_owned(),
        );
    }
    let temperature = config.ensemble.temperature();
    let purpose = Purpose {
        table: ORACLE,
        first,
        folder,
        variable_cell: config.ensemble.npt.is_some(),
        thermal_energy: temperature.map_or(0.0, crate::units::Temperature::thermal_energy),
    };
    check_oracle(&choice, &purpose, check, warnings);
    Some(choice)
}

/// What the driver needs of it. Its workers' folders lie apart from the dear oracle's.
pub(super) fn plan(
    config: &Config,
    choice: &OracleChoice,
    first: &Structure,
    folder: &Path,
    run: &Path,
) -> Option<FirstStagePlan> {
    let section = config.delayed_acceptance.as_ref()?;
    Some(FirstStagePlan {
        open_oracle: open_oracle(choice, first, folder, &run.join("jobs").join("first-stage")),
        workers: section.workers,
        cheap: choice.is_cheap(),
    })
}
