//! What Slurm's accounting knows of a job's memory, where the job itself could not see all of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Slurm, tool};

/// The longest wait for a figure that nothing depends on.
const LONGEST: Duration = Duration::from_secs(10);

impl Slurm {
    /// The largest memory of one task of a job, bytes, as far as accounting has heard of it. Where it gives no answer once it is
    /// not asked again: many clusters have none.
    pub(super) fn accounted_memory(&self, id: u64) -> Option<u64> {
        if self.no_accounting.load(Ordering::Relaxed) {
            return None;
        }
        let arguments = [
            "--noheader".to_owned(),
            "--parsable2".to_owned(),
            "--noconvert".to_owned(),
            format!("--jobs={id}"),
            "--format=MaxRSS".to_owned(),
        ];
        match tool::run("sacct", &arguments, LONGEST) {
            Ok(said) if said.code == Some(0) => said.stdout.lines().filter_map(bytes).max(),
            _ => {
                self.no_accounting.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}

/// The bytes of `35064K`, `1.5G` or `1024`; `None` for what has no memory, such as a job's own line, and for zero.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let power = "KMGTP".find(unit.to_ascii_uppercase()).map_or(0, |at| 1 + at);
    let number = if power > 0 { text.get(..text.len() - 1)? } else { text };
    let value = number.parse::<f64>().ok().filter(|value| *value > 0.0)?;
    Some((value * 1024_f64.powi(i32::try_from(power).ok()?)) as u64)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn memory_is_read_with_its_unit() {
        assert_eq!(bytes("35064K"), Some(35064 << 10));
        assert_eq!(bytes(" 1.5G"), Some(3 << 29));
        assert_eq!(bytes("1024"), Some(1024));
        for nothing in ["", "0", "K", "Unknown", "-3M"] {
            assert_eq!(bytes(nothing), None, "{nothing}");
        }
    }
}
