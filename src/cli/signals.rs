//! SIGINT and SIGTERM: the first asks the driver to stop at the next safe point, the second ends the process at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Failure, exit};
use crate::run::stop::StopFlag;

/// Listens for signals from now on; the flag is set by the first.
pub fn listen() -> Result<StopFlag, Failure> {
    let flag = StopFlag::new();
    let cell = flag.cell();
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(exit::BUG, format!("cannot listen for signals: {error}")))?;
    let seen = AtomicUsize::new(0);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if seen.fetch_add(1, Ordering::Relaxed) == 0 {
                    eprintln!("stopping at the next safe point; a second signal stops at once");
                    cell.store(signal as usize, Ordering::Relaxed);
                } else {
                    // Journals are written before their effect, so nothing is lost but the labels under way.
                    crate::oracle::process::stop_all();
                    std::process::exit(i32::from(exit::STOPPED));
                }
            }
        })
        .map_err(|error| Failure::new(exit::BUG, format!("cannot start a thread: {error}")))?;
    Ok(flag)
}
