//! The figures of a run: what each shows, in words and as SVG.

use std::path::Path;

use crate::analysis::acceptance::EnergyError;
use crate::analysis::plot::{
    Chart, Scale, Series, Style, Trace, chart, learning_curve, png, trace_and_autocorrelation,
};
use crate::analysis::radial::radial_distribution;
use crate::formats::Frame;
use crate::linear::{Mat3, determinant, norm};
use crate::observe::columns::Column;
use crate::potential::{NeuralPotential, Workspace};
use crate::run::RunDirectory;
use crate::run::directory::replace;
use crate::run::results::Results;
use crate::sampling::{Decision, Outcome, Phase};
use crate::structure::Structure;
use crate::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name as a file, without ending.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What is to be seen in it.
    pub caption: String,
    /// The figure as SVG with a white background.
    pub svg: String,
}

impl Figure {
    pub(super) fn new(
        name: impl Into<String>,
        title: impl Into<String>,
        caption: impl Into<String>,
        svg: Result<String, crate::analysis::AnalysisError>,
    ) -> Option<Self> {
        Some(Self {
            name: name.into(),
            title: title.into(),
            caption: caption.into(),
            svg: svg.ok()?,
        })
    }

    /// Writes the figure as NAME.svg and NAME.png into a folder.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let picture = png(&self.svg).map_err(std::io::Error::other)?;
        replace(&folder.join(format!("{}.svg", self.name)), self.svg.as_bytes())?;
        replace(&folder.join(format!("{}.png", self.name)), &picture)
    }
}

/// Radial distribution functions reach this far, Å.
const RANGE: f64 = 8.0;
const BINS: usize = 160;

/// All figures that a run has numbers for.
pub fn figures(root: &Path, results: &Results, frames: &[Vec<Frame>], columns: &[Column]) -> Vec<Figure> {
    let mut learning = results.learning_curve();
    learning.title.clear();
    let mut trace = results.trace();
    trace.title.clear();
    let energies = trace.chains.clone();
    let mut figures: Vec<Option<Figure>> = vec![
        Figure::new(
            "learning",
            "Acceptance and error against labels spent",
            "Each point averages twelve proposals. The error is the standard deviation of U_oracle − U_network at their ends; \
             dashed, the acceptance erfc(βσ/2) that it predicts where nothing is known of its correlation along a trajectory.",
            learning_curve(&learning),
        ),
        Figure::new(
            "trace",
            "Potential energy",
            "Left: every chain after its burn-in. Chains that agree lie on top of each other and do not drift. Right: the \
             autocorrelation, and τ = 1 + 2Σρ.",
            trace_and_autocorrelation(&trace),
        ),
        ranks(&energies),
        acceptance(results),
        committee(root, results, frames),
        radial(frames),
    ];
    figures.extend(cell(results));
    figures.push(pressure(results));
    figures.extend(results.tempering.iter().flat_map(super::replicas::figures));
    figures.extend(columns.iter().enumerate().map(|(index, column)| {
        let unit = if column.unit.is_empty() {
            String::new()
        } else {
            format!(" / {}", column.unit)
        };
        let trace = Trace {
            title: String::new(),
            name: format!("{}{unit}", column.name),
            chains: column.chains.clone(),
        };
        Figure::new(
            format!("column-{}", index + 1),
            column.name.clone(),
            format!(
                "A column added by the user: one value every {} sampling steps.",
                column.every
            ),
            trace_and_autocorrelation(&trace),
        )
    }));
    figures.into_iter().flatten().collect()
}

/// Rank plot: Vehtari et al., Bayesian Analysis 16, 667 (2021), section 4.3.
fn ranks(chains: &[Vec<f64>]) -> Option<Figure> {
    const MOST_BINS: usize = 20;
    let mut order: Vec<(f64, usize)> = Vec::new();
    for (index, chain) in chains.iter().enumerate() {
        order.extend(chain.iter().filter(|x| x.is_finite()).map(|x| (*x, index)));
    }
    // Fewer than ten samples of a chain in a bin show noise alone.
    let bins = (order.len() / (10 * chains.len().max(1))).min(MOST_BINS);
    if chains.len() < 2 || bins < 2 {
        return None;
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut counts = vec![vec![0.0; bins]; chains.len()];
    for (rank, (_, chain)) in order.iter().enumerate() {
        counts[*chain][rank * bins / order.len()] += 1.0;
    }
    let series = counts.iter().zip(chains).enumerate().map(|(index, (counts, chain))| {
        let expected = chain.len() as f64 / bins as f64;
        let mut points = Vec::new();
        for (bin, count) in counts.iter().enumerate() {
            points.push((bin as f64 / bins as f64, count / expected));
            points.push(((bin + 1) as f64 / bins as f64, count / expected));
        }
        Series::new(format!("chain {index}"), points, Style::Line)
    });
    let figure = Chart {
        x: (
            "rank of the energy among all chains, as a fraction".to_owned(),
            Scale::Fixed(0.0, 1.0),
        ),
        y: ("count / expected".to_owned(), Scale::Linear),
        series: series.collect(),
        guides: vec![(1.0, String::new()), (0.0, String::new())],
        ..Chart::default()
    };
    Figure::new(
        "ranks",
        "Ranks",
        "How often each chain holds the lowest, …, the highest energies. Chains of one distribution stay near one everywhere, up \
         to noise; a chain that sits too low leans to the left.",
        chart(&figure),
    )
}

/// Observed acceptance against the one that the error of the network predicts: windows of learning steps, and all averaged ones.
fn acceptance(results: &Results) -> Option<Figure> {
    const WINDOW: usize = 12;
    let beta = 1.0 / results.thermal_energy;
    let mut learning: Vec<(u64, usize, Proposal)> = Vec::new();
    let mut sampling: Vec<Proposal> = Vec::new();
    for (chain, (decisions, (_, kept))) in results.decisions.iter().zip(results.kept()).enumerate() {
        let first = decisions.len() - kept.len();
        for (index, (decision, before)) in decisions.iter().zip(results.before(chain)).enumerate() {
            let proposal = Proposal {
                accepted: decision.outcome == Outcome::Accepted,
                errors: errors(decision, *before),
            };
            match decision.phase {
                Phase::Learning => learning.push((decision.step, chain, proposal)),
                Phase::Sampling if index >= first => sampling.push(proposal),
                _ => {}
            }
        }
    }
    learning.sort_by_key(|(step, chain, _)| (*step, *chain));
    let learning: Vec<Proposal> = learning.into_iter().map(|row| row.2).collect();
    let mut series = Vec::new();
    for (name, parts) in [
        ("while learning", learning.chunks(WINDOW).collect::<Vec<_>>()),
        ("while sampling", vec![&sampling[..]]),
    ] {
        let mut own = Series::new(name, Vec::new(), Style::Points);
        for part in parts.into_iter().filter(|part| part.len() >= WINDOW) {
            let (starts, ends): (Vec<f64>, Vec<f64>) = part.iter().filter_map(|proposal| proposal.errors).unzip();
            if starts.len() < WINDOW / 2 {
                continue;
            }
            let error = EnergyError::from_proposals(&[starts], &[ends]);
            let accepted = part.iter().filter(|proposal| proposal.accepted).count() as f64;
            let count = part.len() as f64;
            own.points.push((error.predicted_acceptance(beta), accepted / count));
            // The binomial error, kept from vanishing at the ends (Agresti and Coull, The American Statistician 52, 119 (1998)).
            let centre = (accepted + 2.0) / (count + 4.0);
            own.errors.push((centre * (1.0 - centre) / (count + 4.0)).sqrt());
        }
        if !own.points.is_empty() {
            series.push(own);
        }
    }
    let figure = Chart {
        x: ("acceptance predicted".to_owned(), Scale::Fixed(0.0, 1.0)),
        y: ("acceptance observed".to_owned(), Scale::Fixed(0.0, 1.0)),
        series,
        diagonal: true,
        ..Chart::default()
    };
    Figure::new(
        "acceptance",
        "Acceptance predicted and observed",
        "erfc((βσ/2)√(1−ρ)) from the measured error σ and its correlation ρ along proposals, against the fraction accepted: twelve \
         proposals a point while learning, all averaged ones while sampling. Points well below the dashed line: something besides \
         the network's energy rejects.",
        chart(&figure),
    )
}

/// What the figure of the acceptance needs of a decision.
struct Proposal {
    accepted: bool,
    /// U_oracle − U_network at both ends, eV.
    errors: Option<(f64, f64)>,
}

/// U_oracle − U_network at both ends of a proposal, eV.
fn errors(decision: &Decision, before: Option<f64>) -> Option<(f64, f64)> {
    let [start, end] = decision.network?;
    Some((before? - start, decision.energy_proposed? - end))
}

/// The committee's spread of the total energy against the error made.
fn committee(root: &Path, results: &Results, frames: &[Vec<Frame>]) -> Option<Figure> {
    let generation = results.generations.iter().rfind(|generation| generation.frozen)?;
    let potential = NeuralPotential::load(&RunDirectory::new(root).potential(generation.generation)).ok()?;
    let mut workspace = Workspace::new();
    let mut rows: Vec<(f64, f64)> = Vec::new();
    for frame in frames.iter().flatten() {
        let energy = frame.labels.as_ref()?.energy;
        let spread = potential.committee(&frame.structure, &mut workspace)?;
        let predicted = crate::potential::Potential::evaluate(&potential, &frame.structure, &mut workspace);
        if predicted.energy.is_finite() && spread.energy.is_finite() {
            rows.push((1e3 * spread.energy, 1e3 * (energy - predicted.energy)));
        }
    }
    if rows.len() < 8 {
        return None;
    }
    let offset = rows.iter().map(|row| row.1).sum::<f64>() / rows.len() as f64;
    for row in &mut rows {
        row.1 = (row.1 - offset).abs();
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let square = |values: &mut dyn Iterator<Item = f64>, count: usize| {
        (values.map(|x| x * x).sum::<f64>() / count as f64).sqrt()
    };
    let mut binned = Series::new("root mean square of a fifth of them", Vec::new(), Style::Points);
    for part in rows.chunks(rows.len().div_ceil(5)) {
        let error = square(&mut part.iter().map(|row| row.1), part.len());
        binned
            .points
            .push((square(&mut part.iter().map(|row| row.0), part.len()), error));
        // Relative error of a standard deviation from n draws of a normal distribution.
        binned.errors.push(error / (2.0 * part.len() as f64).sqrt());
    }
    let figure = Chart {
        x: ("committee spread of the energy / meV".to_owned(), Scale::Logarithmic),
        y: ("error / meV".to_owned(), Scale::Logarithmic),
        series: vec![binned, Series::new("sampled states", rows, Style::Points)],
        diagonal: true,
        ..Chart::default()
    };
    Figure::new(
        "committee",
        "Reliability of the committee",
        "Total-energy error of the frozen network at sampled states (its mean removed) against the disagreement of the committee's \
         members. On the dashed line the spread is the error; below it the committee is too careful, above it too sure. Neither \
         enters acceptance.",
        chart(&figure),
    )
}

fn radial(frames: &[Vec<Frame>]) -> Option<Figure> {
    let structures: Vec<&Structure> = frames.iter().flatten().map(|frame| &frame.structure).collect();
    // The cost grows with the atoms; the average needs fewer frames where there are many.
    let atoms = structures.first()?.len();
    let stride = (structures.len() * atoms).div_ceil(20_000).max(1);
    let g = radial_distribution(structures.into_iter().step_by(stride), RANGE, BINS).ok()?;
    let series = |name: String, values: &[f64]| {
        Series::new(
            name,
            g.radii.iter().copied().zip(values.iter().copied()).collect(),
            Style::Line,
        )
    };
    let mut all = vec![series("all atoms".to_owned(), &g.total)];
    if g.pairs.len() > 1 {
        for pair in g.pairs.iter().take(5) {
            all.push(series(format!("{}–{}", pair.species[0], pair.species[1]), &pair.values));
        }
    }
    let figure = Chart {
        x: ("distance / Å".to_owned(), Scale::Fixed(0.0, RANGE)),
        y: ("g(r)".to_owned(), Scale::Linear),
        series: all,
        guides: vec![(1.0, String::new())],
        ..Chart::default()
    };
    Figure::new(
        "radial",
        "Radial distribution function",
        "Averaged over frames of the sampled trajectories, all periodic images counted.",
        chart(&figure),
    )
}

/// Volume and lattice vectors, where the cell is a variable.
fn cell(results: &Results) -> Vec<Option<Figure>> {
    let series = |f: &dyn Fn(&Mat3) -> f64| -> Vec<Vec<f64>> {
        let cells = |chain: &[Decision]| {
            chain
                .iter()
                .filter_map(|decision| decision.cell.as_ref().map(f))
                .collect()
        };
        results.kept().iter().map(|(_, chain)| cells(chain)).collect()
    };
    let volume = Trace {
        title: String::new(),
        name: "volume / Å³".to_owned(),
        chains: series(&|cell| determinant(cell).abs()),
    };
    if volume.chains.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let mut figures = vec![Figure::new(
        "volume",
        "Volume",
        "The volume of the cell after each averaged step, and its autocorrelation.",
        trace_and_autocorrelation(&volume),
    )];
    for (k, name) in ["a", "b", "c"].into_iter().enumerate() {
        let length = Trace {
            title: String::new(),
            name: format!("{name} / Å"),
            chains: series(&|cell| norm(cell[k])),
        };
        figures.push(Figure::new(
            format!("length-{name}"),
            format!("Length of lattice vector {name}"),
            "After each averaged step, and its autocorrelation.",
            trace_and_autocorrelation(&length),
        ));
    }
    figures
}

fn pressure(results: &Results) -> Option<Figure> {
    let kept = results.kept();
    let known = kept
        .iter()
        .all(|(_, chain)| chain.iter().all(|decision| decision.stress.is_some()));
    if !known {
        return None;
    }
    let value = |decision: &Decision| {
        let s = decision.stress.unwrap_or_default();
        -GPA_PER_EV_PER_CUBIC_ANGSTROM * (s[0] + s[1] + s[2]) / 3.0
    };
    let trace = Trace {
        title: String::new(),
        name: "−tr σ/3 / GPa".to_owned(),
        chains: kept
            .iter()
            .map(|(_, chain)| chain.iter().map(value).collect())
            .collect(),
    };
    Figure::new(
        "pressure",
        "Pressure",
        "The configurational pressure from the oracle's stress, without the part of the ideal gas.",
        trace_and_autocorrelation(&trace),
    )
}
