//! What the first of two stages did, read back from the journals.

use serde_json::{Value, json};

use super::results::number;
use crate::analysis::advice::{Line, Verdict};
use crate::sampling::{Decision, Outcome};

/// A second stage that accepts less than this wastes dear labels on what the first let pass.
const GOOD_SECOND: f64 = 0.6;
const POOR_SECOND: f64 = 0.3;

/// Counts over averaged steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Proposals that the cheap oracle labelled.
    pub proposals: usize,
    /// Its labels.
    pub calls: u64,
    /// Proposals that went on to the dear oracle.
    pub passed: usize,
    /// Those that it accepted.
    pub accepted: usize,
}

impl Stages {
    /// Counts; `None` where decisions have one stage.
    pub fn measure(decisions: &[&Decision]) -> Option<Self> {
        let mut counts = Self::default();
        for decision in decisions {
            let Some(stage) = decision.first_stage else { continue };
            counts.proposals += usize::from(stage.calls > 0);
            counts.calls += u64::from(stage.calls);
            counts.passed += usize::from(stage.passed);
            counts.accepted += usize::from(decision.outcome == Outcome::Accepted);
        }
        (counts.proposals > 0).then_some(counts)
    }

    /// The part that the first stage let pass.
    pub fn passing(&self) -> f64 {
        self.passed as f64 / self.proposals as f64
    }

    /// The part of what passed that was accepted.
    pub fn second_acceptance(&self) -> f64 {
        self.accepted as f64 / self.passed as f64
    }

    /// `first_stage` of `slmc analyze --json`.
    pub fn json(&self) -> Value {
        json!({
            "proposals": self.proposals,
            "calls": self.calls,
            "passed": self.passed,
            "passing": number(self.passing()),
            "second_stage_acceptance": number(self.second_acceptance()),
            "oracle_calls_saved": self.proposals - self.passed,
        })
    }

    /// What it is worth.
    pub fn lines(&self) -> Vec<Line> {
        if self.passed < 10 {
            return Vec::new();
        }
        let second = self.second_acceptance();
        let verdict = match second {
            second if second >= GOOD_SECOND => Verdict::Ok,
            second if second >= POOR_SECOND => Verdict::Watch,
            _ => Verdict::Bad,
        };
        vec![
            Line {
                name: "first stage",
                value: format!(
                    "{:.2} pass, {} oracle calls saved",
                    self.passing(),
                    self.proposals - self.passed
                ),
                threshold: String::new(),
                verdict: Verdict::Note,
                advice: String::new(),
            },
            Line {
                name: "second stage",
                value: format!("{second:.2} accepted"),
                threshold: format!("≥ {GOOD_SECOND}"),
                verdict,
                advice: if verdict == Verdict::Ok {
                    String::new()
                } else {
                    "the two oracles differ too much over a proposal: take a better one for the first stage, or shorter trajectories".to_owned()
                },
            },
        ]
    }
}
