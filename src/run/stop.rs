//! Requests to stop: a signal, or a file in the run directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Set by a signal handler or by a test; read by the driver.
#[derive(Clone, Debug)]
pub struct StopFlag {
    signal: Arc<AtomicUsize>,
    last_look: Instant,
}

impl Default for StopFlag {
    fn default() -> Self {
        Self {
            signal: Arc::new(AtomicUsize::new(0)),
            last_look: Instant::now(),
        }
    }
}

impl StopFlag {
    /// A flag that nothing has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a signal handler stores the number of the signal.
    pub fn cell(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.signal)
    }

    /// The signal that asked for a stop.
    pub fn requested(&self) -> Option<&'static str> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number if number == signal_hook::consts::SIGINT as usize => Some("SIGINT"),
            number if number == signal_hook::consts::SIGTERM as usize => Some("SIGTERM"),
            _ => Some("signal"),
        }
    }

    /// Whether it is time to look for the file again.
    pub fn file_due(&mut self) -> bool {
        let due = self.last_look.elapsed() > Duration::from_millis(500);
        if due {
            self.last_look = Instant::now();
        }
        due
    }
}
