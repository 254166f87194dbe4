//! How much memory a process and its descendants hold at most, as Linux counts it; elsewhere nothing is known.

use std::path::Path;
use std::time::{Duration, Instant};

/// The longest time between two looks.
const LONGEST: Duration = Duration::from_millis(100);
/// Descendants of descendants that are followed: a launcher, a shell, a wrapper.
const DEPTH: usize = 6;

/// The largest memory of one process seen so far, looked at ever less often.
///
/// What `wait4` tells of a child will not do: a child that was started by sharing its parent's memory is charged with that.
#[derive(Debug)]
pub struct PeakMemory {
    process: u32,
    peak: Option<u64>,
    next: Instant,
    pause: Duration,
}

impl PeakMemory {
    /// Of a process that was just started.
    pub fn of(process: u32) -> Self {
        let pause = Duration::from_millis(2);
        Self {
            process,
            peak: None,
            next: Instant::now() + pause,
            pause,
        }
    }

    /// Looks, if it is time.
    pub fn look(&mut self) {
        let now = Instant::now();
        if now >= self.next {
            self.peak = self.peak.max(largest(self.process));
            self.pause = (self.pause * 5 / 4).min(LONGEST);
            self.next = now + self.pause;
        }
    }

    /// The largest memory of one process, bytes.
    pub fn bytes(&self) -> Option<u64> {
        self.peak
    }
}

/// The largest memory that a process or one of its present descendants has ever held, bytes.
pub fn largest(process: u32) -> Option<u64> {
    below(process, DEPTH)
}

fn below(process: u32, depth: usize) -> Option<u64> {
    let folder = Path::new("/proc").join(process.to_string());
    let mut peak = high_water(&folder);
    if depth == 0 {
        return peak;
    }
    for task in std::fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
            peak = peak.max(below(child, depth - 1));
        }
    }
    peak
}

/// The line `VmHWM:    35064 kB`.
fn high_water(folder: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * kilobytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_grandchild_is_counted_and_its_parent_is_not_charged_with_ours() {
        // Ours is larger than that of a shell.
        let ours = std::hint::black_box(vec![1_u8; 64 << 20]);
        let mut child = Command::new("sh").args(["-c", "sleep 5 & wait"]).spawn().unwrap();
        let mut peak = PeakMemory::of(child.id());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            peak.look();
            std::thread::sleep(Duration::from_millis(2));
        }
        let bytes = peak.bytes().unwrap();
        assert!((100 << 10..32 << 20).contains(&bytes), "{bytes}");
        assert!(largest(std::process::id()).unwrap() >= ours.len() as u64);
        let _ = Command::new("pkill").args(["-P", &child.id().to_string()]).status();
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(largest(child.id()), None);
    }
}
