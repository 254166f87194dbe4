//! What labels cost: time and memory, from a run's event log or as they come.

use std::fmt;

use crate::run::records::Event;

/// What labels cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Labels that were made and tell.
    pub labels: usize,
    /// Wall-clock seconds of all of them, retries included.
    pub seconds: f64,
    /// The longest, seconds.
    pub longest: f64,
    /// The largest memory of one process, bytes; `None` where no process worked or nothing is known.
    pub memory: Option<u64>,
}

impl Cost {
    /// Sums the labels among events; `None` where there is none, as with embedded oracles.
    pub fn of(events: &[Event]) -> Option<Self> {
        let mut cost = Self::default();
        for event in events.iter().filter(|event| event.kind == "label") {
            if let Some(seconds) = event.seconds {
                cost.add(seconds, event.memory);
            }
        }
        (cost.labels > 0).then_some(cost)
    }

    /// Adds a label.
    pub fn add(&mut self, seconds: f64, memory: Option<u64>) {
        self.labels += 1;
        self.seconds += seconds;
        self.longest = self.longest.max(seconds);
        self.memory = self.memory.max(memory);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.seconds / self.labels.max(1) as f64;
        write!(
            formatter,
            "{} labels took {} of oracle time, {} each, {} at most",
            self.labels,
            duration(self.seconds),
            duration(each),
            duration(self.longest)
        )?;
        match self.memory {
            Some(bytes) => write!(formatter, "; the largest process held {:.0} MB", bytes as f64 / 1e6),
            None => Ok(()),
        }
    }
}

/// Seconds in a unit that suits them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", 1e3 * s),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_other_events_are_not() {
        let mut label = Event::now("label", None, String::new(), Some(2.0));
        label.memory = Some(30_000_000);
        let events = [
            Event::now("retry", None, String::new(), Some(100.0)),
            label.clone(),
            Event {
                seconds: Some(4.0),
                memory: None,
                ..label
            },
        ];
        assert_eq!(
            Cost::of(&events).unwrap().to_string(),
            "2 labels took 6.0 s of oracle time, 3.0 s each, 4.0 s at most; the largest process held 30 MB"
        );
        assert_eq!(Cost::of(&events[..1]), None);
    }
}
