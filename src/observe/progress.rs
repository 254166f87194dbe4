//! Progress of a run: one bar a phase with the numbers that matter, or a plain line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::sampling::Phase;

/// The numbers of a run in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The phase at hand.
    pub phase: Phase,
    /// Labels (bootstrap, learning) or steps of all chains (sampling) done.
    pub done: u64,
    /// How many there are to do, at most.
    pub total: u64,
    /// Oracle calls so far.
    pub labels: u64,
    /// The newest generation.
    pub generation: Option<u32>,
    /// Acceptance over the latest steps.
    pub acceptance: Option<f64>,
    /// Standard deviation of the total-energy error over the latest proposals, eV.
    pub error: Option<f64>,
    /// Segments of a proposal.
    pub segments: Option<usize>,
    /// Steps of a segment.
    pub steps: Option<usize>,
    /// Whether a network is being trained.
    pub training: bool,
}

impl Snapshot {
    fn numbers(&self) -> String {
        let mut parts = vec![format!("labels {}", self.labels)];
        if let Some(acceptance) = self.acceptance {
            parts.push(format!("acceptance {acceptance:.2}"));
        }
        if let Some(error) = self.error {
            parts.push(format!("error {:.1} meV", 1e3 * error));
        }
        if let (Some(generation), Some(segments), Some(steps)) = (self.generation, self.segments, self.steps) {
            parts.push(format!("network {generation}, {segments}×{steps} steps"));
        }
        if self.training {
            parts.push("training".to_owned());
        }
        parts.join(", ")
    }
}

/// Sees the progress of a run.
pub trait Observer {
    /// Called several times a second.
    fn update(&mut self, snapshot: &Snapshot);
    /// Something went wrong that the run can live with; said once.
    fn tell(&mut self, warning: &str);
    /// Called once, at the end.
    fn finish(&mut self, snapshot: &Snapshot);
}

/// Shows nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn update(&mut self, _: &Snapshot) {}
    fn tell(&mut self, _: &str) {}
    fn finish(&mut self, _: &Snapshot) {}
}

/// The display that fits standard error: bars on a terminal, lines elsewhere, nothing if `quiet`.
pub fn progress(quiet: bool) -> Box<dyn Observer> {
    if quiet {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bars::default())
    } else {
        Box::new(Lines::default())
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Bootstrap => "bootstrap",
        Phase::Learning => "learning",
        Phase::Sampling => "sampling",
    }
}

#[derive(Default)]
struct Bars {
    bar: Option<(Phase, ProgressBar)>,
}

impl Observer for Bars {
    fn update(&mut self, snapshot: &Snapshot) {
        if self.bar.as_ref().is_none_or(|(phase, _)| *phase != snapshot.phase) {
            if let Some((_, old)) = self.bar.take() {
                old.abandon();
            }
            let bar = ProgressBar::with_draw_target(Some(snapshot.total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix:<10} {wide_bar} {pos}/{len}  {msg}  left {eta}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_prefix(name(snapshot.phase));
            // What was done before this process does not count for the time left.
            bar.reset_eta();
            self.bar = Some((snapshot.phase, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(snapshot.total);
            bar.set_position(snapshot.done);
            bar.set_message(snapshot.numbers());
        }
    }

    fn tell(&mut self, warning: &str) {
        match &self.bar {
            Some((_, bar)) => bar.suspend(|| eprintln!("warning: {warning}")),
            None => eprintln!("warning: {warning}"),
        }
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        self.update(snapshot);
        if let Some((_, bar)) = self.bar.take() {
            bar.abandon();
        }
    }
}

struct Lines {
    phase: Option<Phase>,
    phase_begun: Instant,
    done_at_begin: u64,
    last: Instant,
    interval: Duration,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            phase: None,
            phase_begun: Instant::now(),
            done_at_begin: 0,
            last: Instant::now(),
            interval: Duration::from_secs(2),
        }
    }
}

impl Lines {
    fn print(&mut self, snapshot: &Snapshot) {
        let done = snapshot.done.saturating_sub(self.done_at_begin);
        let left = snapshot.total.saturating_sub(snapshot.done);
        let left = if done > 0 && left > 0 {
            let seconds = self.phase_begun.elapsed().as_secs_f64() * left as f64 / done as f64;
            format!(", left {}", indicatif::HumanDuration(Duration::from_secs_f64(seconds)))
        } else {
            String::new()
        };
        eprintln!(
            "{:<10} {}/{}  {}{left}",
            name(snapshot.phase),
            snapshot.done,
            snapshot.total,
            snapshot.numbers()
        );
        self.last = Instant::now();
    }
}

impl Observer for Lines {
    fn update(&mut self, snapshot: &Snapshot) {
        let new_phase = self.phase != Some(snapshot.phase);
        if new_phase {
            self.phase = Some(snapshot.phase);
            self.phase_begun = Instant::now();
            self.done_at_begin = snapshot.done;
            self.interval = Duration::from_secs(2);
        }
        if new_phase || self.last.elapsed() > self.interval {
            self.print(snapshot);
            // Ever longer pauses keep the log of a long run short.
            self.interval = (self.interval * 3 / 2).min(Duration::from_mins(1));
        }
    }

    fn tell(&mut self, warning: &str) {
        eprintln!("warning: {warning}");
    }

    fn finish(&mut self, snapshot: &Snapshot) {
        self.print(snapshot);
    }
}
