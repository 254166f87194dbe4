//! An oracle without answers above some energy: the ensemble is the target's, truncated there.

use rand_distr::{Distribution, Gamma};
use slmc::oracle::analytic::AsymmetricConfig;
use slmc::rng::{Purpose, stream};
use slmc::sampling::{Acceptance, Kernel};

use crate::canonical::{Proposal, far, swirl};
use crate::harness::{Bench, Expected, chains, complaints, control_complaints, fraction, full, kernel_step, seeds};
use crate::targets::{Target, asymmetric, einstein};

/// Mean and standard deviation of U below `ceiling` where U/kT has the density uⁿ⁻¹ e⁻ᵘ, n = 3N/2, by Simpson's rule.
fn truncated_einstein(target: &Target) -> Expected {
    let thermal = target.temperature.thermal_energy();
    let most = target.ceiling / thermal;
    let half_freedom = 12;
    let moment = |power: i32| {
        let intervals = 2_000;
        let width = most / f64::from(intervals);
        let density = |u: f64| u.powi(half_freedom - 1 + power) * (-u).exp();
        (0..intervals)
            .map(|i| {
                let u = width * f64::from(i);
                width / 6.0 * (density(u) + 4.0 * density(u + 0.5 * width) + density(u + width))
            })
            .sum::<f64>()
    };
    let mean = moment(1) / moment(0);
    let square = moment(2) / moment(0);
    Expected::exact(mean * thermal, (square - mean * mean) * thermal * thermal)
}

/// The same for the skewed wells, from independent exact draws: exp(a·x) of each coordinate has a gamma distribution of
/// shape and rate D/kT.
fn truncated_asymmetric(target: &Target) -> Expected {
    let depth = AsymmetricConfig::default().depth.value();
    let shape = depth / target.temperature.thermal_energy();
    let gamma = Gamma::new(shape, 1.0 / shape).expect("a positive shape");
    let mut generator = stream(99, 0, 0, Purpose::Start);
    let draws = if full() { 1_000_000 } else { 200_000 };
    let kept: Vec<f64> = (0..draws)
        .map(|_| {
            (0..24)
                .map(|_| {
                    let y: f64 = gamma.sample(&mut generator);
                    depth * (y - y.ln() - 1.0)
                })
                .sum::<f64>()
        })
        .filter(|energy| *energy <= target.ceiling)
        .collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let central = |power: i32| kept.iter().map(|u| (u - mean).powi(power)).sum::<f64>() / count;
    let (second, fourth) = (central(2), central(4));
    Expected {
        mean,
        mean_error: (second / count).sqrt(),
        sd: second.sqrt(),
        sd_error: ((fourth - second * second) / count / second / 4.0).sqrt(),
    }
}

struct Row {
    name: &'static str,
    target: Target,
    expected: fn(&Target) -> Expected,
    kernel: Kernel,
    proposal: Option<Proposal>,
    segments: usize,
}

#[test]
fn unphysical_answers_truncate_the_target() {
    let springs = |ceiling| Target {
        ceiling,
        ..einstein(|s| s)
    };
    let wells = Target {
        ceiling: 0.34,
        ..asymmetric(|s| s)
    };
    let rows = [
        Row {
            name: "truncated einstein, bad",
            target: springs(0.4),
            expected: truncated_einstein,
            kernel: Kernel::Slhmc,
            proposal: Some(far),
            segments: 1,
        },
        Row {
            name: "truncated asymmetric, non-conservative",
            target: wells,
            expected: truncated_asymmetric,
            kernel: Kernel::Slhmc,
            proposal: Some(swirl),
            segments: 1,
        },
        Row {
            name: "truncated einstein, plain",
            target: springs(0.33),
            expected: truncated_einstein,
            kernel: Kernel::Hmc,
            proposal: None,
            segments: 1,
        },
    ];
    let mut found = String::new();
    for row in &rows {
        let expected = (row.expected)(&row.target);
        let proposal = row.proposal.map(|make| make(&row.target));
        let bench = Bench::new(row.target.clone(), proposal, row.segments, Acceptance::Metropolis);
        let runs = chains(&bench, &kernel_step(row.kernel), seeds(3), 24_000);
        let unphysical = fraction(&runs, |series| series.unphysical);
        if unphysical < 0.1 {
            found.push_str(&format!("{}: only {unphysical:.3} had no answer\n", row.name));
        }
        found.push_str(&complaints(row.name, &bench, &runs, &expected));
        // The control: these are not the averages of the whole target.
        found.push_str(&control_complaints(row.name, &runs, &row.target.expected()));
    }
    assert!(found.is_empty(), "\n{found}");
}
