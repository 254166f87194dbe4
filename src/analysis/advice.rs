//! From numbers to what to do next: each finding with its threshold, a verdict and one sentence of advice.

use std::fmt;

use serde::Serialize;

use super::acceptance::{EnergyError, ExponentialAverage, RELIABLE_BETA_SIGMA};
use super::statistics::Summary;

/// Where a finding stops being good; every verdict comes from this table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// R-hat of converged chains stays below this (Vehtari et al. 2021, section 4).
    pub rhat: f64,
    /// R-hat from here on is bad.
    pub poor_rhat: f64,
    /// Effective samples, of the bulk and of the tails, that each chain should bring (Vehtari et al. 2021, section 4).
    pub effective_samples_per_chain: f64,
    /// Less than this fraction of the effective samples wanted is bad.
    pub poor_effective_fraction: f64,
    /// Fewer chains than this cannot show that they agree.
    pub chains: usize,
    /// Acceptance from here on is good: what is left to gain is less than a factor of two in τ.
    pub good_acceptance: f64,
    /// Acceptance below this wastes most oracle calls.
    pub poor_acceptance: f64,
    /// Observed and predicted acceptance may differ by this much before the prediction's assumptions are in doubt.
    pub acceptance_gap: f64,
    /// τ up to this many samples is good: even a perfect network leaves about 2.3 to 2.8 with one segment a proposal.
    pub good_tau: f64,
    /// τ above this many samples is poor.
    pub poor_tau: f64,
    /// βσ√(1−ρ) up to this is good: an acceptance of at least 0.48.
    pub good_beta_sigma: f64,
    /// ⟨exp(−βΔH)⟩ may be off one by this many standard errors.
    pub exponential_average_errors: f64,
    /// Fraction of proposals that may diverge.
    pub diverged: f64,
    /// A larger fraction of divergent proposals than this is bad.
    pub poor_diverged: f64,
    /// A larger fraction of proposals without an answer of the oracle than this is bad; any at all is worth a look.
    pub poor_unphysical: f64,
}

/// The thresholds in use.
pub const THRESHOLDS: Thresholds = Thresholds {
    rhat: 1.01,
    poor_rhat: 1.05,
    effective_samples_per_chain: 100.0,
    poor_effective_fraction: 0.25,
    chains: 2,
    good_acceptance: 0.6,
    poor_acceptance: 0.3,
    acceptance_gap: 0.1,
    good_tau: 3.0,
    poor_tau: 10.0,
    good_beta_sigma: 1.0,
    exponential_average_errors: 5.0,
    diverged: 0.01,
    poor_diverged: 0.1,
    poor_unphysical: 0.01,
};

/// What is known of a run's sampling phase; what is not known stays `None` and gets no line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Findings {
    /// Fraction of proposals accepted.
    pub acceptance: Option<f64>,
    /// Statistics of the potential energy, eV.
    pub energy: Option<Summary>,
    /// The network's total-energy error over the chain states.
    pub energy_error: Option<EnergyError>,
    /// Inverse temperature, 1/eV.
    pub beta: Option<f64>,
    /// Number of atoms.
    pub atoms: Option<usize>,
    /// ⟨exp(−βΔH)⟩ over the proposals.
    pub exponential_average: Option<ExponentialAverage>,
    /// Fraction of proposals whose trajectory diverged.
    pub diverged: Option<f64>,
    /// Fraction of proposals for which the oracle has no answer.
    pub unphysical: Option<f64>,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Within its threshold.
    Ok,
    /// Nothing to judge: there is too little, or the number is unreliable.
    Note,
    /// Usable, but worth improving.
    Watch,
    /// Do something before trusting or paying for more.
    Bad,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Watch => "watch",
            Self::Bad => "BAD",
        })
    }
}

/// One finding as it is printed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What was looked at.
    pub name: &'static str,
    /// Its value with unit.
    pub value: String,
    /// What it should be.
    pub threshold: String,
    /// How good it is.
    pub verdict: Verdict,
    /// What to do next; empty where nothing needs doing.
    pub advice: String,
}

impl Line {
    fn new(name: &'static str, value: String, threshold: String, verdict: Verdict, advice: impl Into<String>) -> Self {
        let advice = if verdict == Verdict::Ok {
            String::new()
        } else {
            advice.into()
        };
        Self {
            name,
            value,
            threshold,
            verdict,
            advice,
        }
    }
}

/// The lines of a report, in the order a reader asks: is it right, is there enough of it, what did it cost.
pub fn advise(findings: &Findings) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(findings.exponential_average.map(exponential_average));
    if let Some(energy) = &findings.energy {
        lines.extend(convergence(energy));
    }
    lines.extend(findings.energy.map(|energy| tau(&energy, findings.acceptance)));
    lines.extend(findings.acceptance.map(|observed| acceptance(observed, findings)));
    lines.extend(predicted(findings));
    lines.extend(energy_error(findings));
    lines.extend(findings.diverged.map(diverged));
    lines.extend(findings.unphysical.map(unphysical));
    lines
}

/// The lines as aligned text, the advice below its line.
pub fn table(lines: &[Line]) -> String {
    let width = |cell: fn(&Line) -> &str| lines.iter().map(|line| cell(line).chars().count()).max().unwrap_or(0);
    let (name, value, threshold) = (width(|l| l.name), width(|l| &l.value), width(|l| &l.threshold));
    let mut text = String::new();
    for line in lines {
        let row = format!(
            "{:name$}  {:value$}  {:threshold$}  {}",
            line.name, line.value, line.threshold, line.verdict
        );
        text.push_str(row.trim_end());
        text.push('\n');
        if !line.advice.is_empty() {
            text.extend(["  → ", &line.advice, "\n"]);
        }
    }
    text
}

/// A value between two thresholds, judged.
fn grade(value: f64, good: bool, poor: bool) -> Verdict {
    match (value.is_nan(), good, poor) {
        (true, ..) => Verdict::Note,
        (_, true, _) => Verdict::Ok,
        (_, _, true) => Verdict::Bad,
        _ => Verdict::Watch,
    }
}

fn exponential_average(average: ExponentialAverage) -> Line {
    let allowed = THRESHOLDS.exponential_average_errors;
    let close = (average.mean - 1.0).abs() <= allowed * average.mcse;
    let (verdict, advice) = if !average.reliable {
        let advice = format!(
            "not reliable: its value rests on draws too rare to be seen unless βσ√(1−ρ) ≤ {RELIABLE_BETA_SIGMA}; \
             this says nothing against the samples"
        );
        (Verdict::Note, advice)
    } else if close {
        (Verdict::Ok, String::new())
    } else {
        let advice = "the chain is not in the oracle's equilibrium: discard more samples as burn-in, and if it stays off \
                      one, check that the oracle gives the same energy twice";
        (Verdict::Bad, advice.to_owned())
    };
    let value = format!("{:.3} ± {:.3}", average.mean, average.mcse);
    Line::new(
        "⟨exp(−βΔH)⟩",
        value,
        format!("1 within {allowed} errors"),
        verdict,
        advice,
    )
}

fn convergence(energy: &Summary) -> Vec<Line> {
    let too_few = "needs at least 4 samples per chain that are not all equal: raise sampling.steps";
    let verdict = grade(
        energy.rhat,
        energy.rhat < THRESHOLDS.rhat,
        energy.rhat >= THRESHOLDS.poor_rhat,
    );
    let advice = match verdict {
        Verdict::Note => too_few,
        _ if energy.n_chains < THRESHOLDS.chains => {
            "the chain's two halves disagree: raise sampling.discard if it drifts at the start, else sampling.steps"
        }
        _ => "the chains disagree: raise sampling.steps, and sampling.discard if they drift at the start",
    };
    let threshold = format!("< {}", THRESHOLDS.rhat);
    let mut lines = vec![Line::new(
        "R-hat",
        format!("{:.3}", energy.rhat),
        threshold,
        verdict,
        advice,
    )];

    let needed = THRESHOLDS.effective_samples_per_chain * energy.n_chains as f64;
    for (name, effective) in [
        ("ESS of the bulk", energy.ess_bulk),
        ("ESS of the tails", energy.ess_tail),
    ] {
        let verdict = grade(
            effective,
            effective >= needed,
            effective < THRESHOLDS.poor_effective_fraction * needed,
        );
        let advice = if verdict == Verdict::Note {
            too_few.to_owned()
        } else {
            let factor = (10.0 * needed / effective).ceil() / 10.0;
            format!("raise sampling.steps {factor:.1}-fold")
        };
        let value = format!("{effective:.0} of {}", energy.n_samples);
        lines.push(Line::new(name, value, format!("≥ {needed:.0}"), verdict, advice));
    }
    let enough = energy.n_chains >= THRESHOLDS.chains;
    lines.push(Line::new(
        "chains",
        energy.n_chains.to_string(),
        format!("≥ {}", THRESHOLDS.chains),
        if enough { Verdict::Ok } else { Verdict::Note },
        "one chain cannot show a second basin: set sampling.chains to 2 or more, best from different starts",
    ));
    lines
}

fn tau(energy: &Summary, acceptance: Option<f64>) -> Line {
    let tau = energy.tau;
    let verdict = grade(tau, tau <= THRESHOLDS.good_tau, tau > THRESHOLDS.poor_tau);
    let advice = if verdict == Verdict::Note {
        "needs more samples"
    } else if acceptance.is_some_and(|a| a < THRESHOLDS.good_acceptance) {
        "rejections make it long: raise the acceptance first"
    } else {
        "proposals stay too near: use more segments per proposal, longer trajectories, or for a crystal trajectory.masses = \"hessian\""
    };
    let threshold = format!("≤ {}", THRESHOLDS.good_tau);
    Line::new("τ in samples", format!("{tau:.2}"), threshold, verdict, advice)
}

fn acceptance(observed: f64, findings: &Findings) -> Line {
    let good = observed >= THRESHOLDS.good_acceptance;
    let verdict = grade(observed, good, observed < THRESHOLDS.poor_acceptance);
    let advice = match prediction(findings) {
        _ if verdict == Verdict::Note => "no proposals yet",
        Some(predicted) if observed < predicted - THRESHOLDS.acceptance_gap => {
            "lower than the network's error explains: shorten trajectory.time-step"
        }
        _ => {
            "the network's total-energy error rejects: spend more labels (learning.stop-after), or shorten the trajectory"
        }
    };
    let threshold = format!("≥ {}", THRESHOLDS.good_acceptance);
    Line::new("acceptance", format!("{observed:.3}"), threshold, verdict, advice)
}

fn prediction(findings: &Findings) -> Option<f64> {
    Some(findings.energy_error?.predicted_acceptance(findings.beta?))
}

fn predicted(findings: &Findings) -> Option<Line> {
    let (observed, predicted) = (findings.acceptance?, prediction(findings)?);
    let gap = observed - predicted;
    let verdict = grade(gap, gap.abs() <= THRESHOLDS.acceptance_gap, false);
    let advice = if verdict == Verdict::Note {
        "needs proposals whose errors at both ends are known"
    } else if gap < 0.0 {
        "something besides the network's error rejects: the time step is too long, or trajectories leave its domain"
    } else {
        "the error is not Gaussian, so the prediction is too dark: trust the observed acceptance"
    };
    let threshold = format!("observed ± {}", THRESHOLDS.acceptance_gap);
    Some(Line::new(
        "acceptance predicted",
        format!("{predicted:.3}"),
        threshold,
        verdict,
        advice,
    ))
}

fn energy_error(findings: &Findings) -> Option<Line> {
    let (error, beta) = (findings.energy_error?, findings.beta?);
    let effective = error.effective(beta);
    let good = effective <= THRESHOLDS.good_beta_sigma;
    let verdict = grade(effective, good, effective > RELIABLE_BETA_SIGMA);
    let milli = 1e3 * error.std;
    let per_atom = findings.atoms.filter(|n| *n > 0).map(|n| milli / n as f64);
    let per_atom = per_atom.map_or(String::new(), |x| format!(", {x:.3} meV/atom"));
    let value = format!(
        "{effective:.2} (σ {milli:.2} meV{per_atom}, ρ {:.2})",
        error.correlation
    );
    let advice = if verdict == Verdict::Note {
        "needs chain states with both energies known"
    } else {
        "spend more labels (learning.stop-after), or a richer descriptor if more labels no longer help"
    };
    let threshold = format!("≤ {}", THRESHOLDS.good_beta_sigma);
    Some(Line::new("error βσ√(1−ρ)", value, threshold, verdict, advice))
}

fn diverged(fraction: f64) -> Line {
    let verdict = grade(
        fraction,
        fraction <= THRESHOLDS.diverged,
        fraction > THRESHOLDS.poor_diverged,
    );
    let advice = "shorten trajectory.time-step; if it stays, the network lacks labels where trajectories go";
    let threshold = format!("≤ {}", THRESHOLDS.diverged);
    Line::new("diverged", format!("{fraction:.3}"), threshold, verdict, advice)
}

fn unphysical(fraction: f64) -> Line {
    let verdict = grade(fraction, fraction == 0.0, fraction > THRESHOLDS.poor_unphysical);
    let advice =
        "the ensemble is cut off where the oracle has no answer: look at the kept job folders and mend the recipe";
    Line::new(
        "oracle without answer",
        format!("{fraction:.4}"),
        "0".to_owned(),
        verdict,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let chains: Vec<Vec<f64>> = (0..2)
            .map(|c| (0..400).map(|i| (f64::from(i * i + 7 * c) * 0.731).sin()).collect())
            .collect();
        Findings {
            acceptance: Some(0.9),
            energy: Some(Summary::new(&chains)),
            energy_error: Some(EnergyError {
                std: 0.002,
                correlation: 0.3,
                proposals: 800,
            }),
            beta: Some(38.7),
            atoms: Some(64),
            exponential_average: Some(ExponentialAverage {
                mean: 1.01,
                mcse: 0.01,
                reliable: true,
            }),
            diverged: Some(0.0),
            unphysical: Some(0.0),
        }
    }

    fn verdict(findings: &Findings, name: &str) -> (Verdict, String) {
        let lines = advise(findings);
        let line = lines.iter().find(|line| line.name == name).unwrap();
        (line.verdict, line.advice.clone())
    }

    #[test]
    fn a_good_run_needs_nothing() {
        let lines = advise(&findings());
        assert_eq!(lines.len(), 11);
        assert!(
            lines
                .iter()
                .all(|line| line.verdict == Verdict::Ok && line.advice.is_empty()),
            "{lines:#?}"
        );
        assert!(advise(&Findings::default()).is_empty());
    }

    #[test]
    fn each_trouble_has_its_advice() {
        let good = findings();
        let mut bad = good;
        bad.acceptance = Some(0.2);
        assert!(verdict(&bad, "acceptance").1.contains("time-step"));
        assert_eq!(verdict(&bad, "acceptance predicted").0, Verdict::Watch);
        bad.energy_error = Some(EnergyError {
            std: 0.05,
            ..good.energy_error.unwrap()
        });
        let (grade, advice) = verdict(&bad, "acceptance");
        assert!(grade == Verdict::Bad && advice.contains("learning.stop-after"));
        assert_eq!(verdict(&bad, "error βσ√(1−ρ)").0, Verdict::Bad);

        let mut off = good;
        off.exponential_average = Some(ExponentialAverage {
            mean: 1.06,
            mcse: 0.01,
            reliable: true,
        });
        assert_eq!(verdict(&off, "⟨exp(−βΔH)⟩").0, Verdict::Bad);
        off.exponential_average = off.exponential_average.map(|average| ExponentialAverage {
            reliable: false,
            ..average
        });
        assert_eq!(verdict(&off, "⟨exp(−βΔH)⟩").0, Verdict::Note);

        let mut slow = good;
        slow.energy = Some(Summary::new(&[(0..60)
            .map(|i| (f64::from(i) * 0.1).sin())
            .collect::<Vec<_>>()]));
        assert_eq!(verdict(&slow, "R-hat").0, Verdict::Bad);
        assert!(verdict(&slow, "ESS of the bulk").1.contains("-fold"));
        assert_eq!(verdict(&slow, "chains").0, Verdict::Note);
        assert!(verdict(&slow, "τ in samples").1.contains("segments"));
        slow.energy = Some(Summary::new(&[vec![1.0, 2.0]]));
        assert_eq!(verdict(&slow, "R-hat").0, Verdict::Note);

        let text = table(&advise(&bad));
        assert!(text.contains("BAD\n  → ") && text.lines().count() > 11, "{text}");
    }
}
