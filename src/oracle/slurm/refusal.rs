//! What sbatch's refusals mean: never, not now, or nobody there.

use super::tool::Said;

/// Why sbatch did not take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Such a job will never be taken.
    Permanent,
    /// Too many jobs of this user.
    TooMany,
    /// Too many jobs of this user, or too large a one: which of the two, sbatch does not say.
    Policy,
    /// The controller or the way to it is away. The job may have been taken all the same.
    Away,
    /// None of these.
    Unknown,
}

const AWAY: [&str; 13] = [
    "unable to contact",
    "timed out",
    "zero bytes",
    "connection refused",
    "connection reset",
    "connection failure",
    "connect failure",
    "temporarily",
    "munge",
    "in standby",
    "unexpected message",
    "transport endpoint",
    "retrying",
];
const TOO_MANY: [&str; 1] = ["submitjob"];
const POLICY: [&str; 2] = ["submit limit", "violates accounting/qos policy"];
const PERMANENT: [&str; 16] = [
    "invalid",
    "unrecognized",
    "unknown option",
    "not permitted",
    "permission denied",
    "access denied",
    "configuration is not available",
    "can not be satisfied",
    "cannot be satisfied",
    "unable to open",
    "must specify",
    "must be",
    "not available",
    "does not exist",
    "more processors requested than permitted",
    "node count specification",
];

/// `None`: the job was taken.
pub(super) fn classify(said: &Said) -> Option<Refusal> {
    if said.code == Some(0) {
        return None;
    }
    let text = said.stderr.to_lowercase();
    let holds = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(if said.code.is_none() || holds(&AWAY) {
        Refusal::Away
    } else if holds(&TOO_MANY) {
        Refusal::TooMany
    } else if holds(&POLICY) {
        Refusal::Policy
    } else if holds(&PERMANENT) {
        Refusal::Permanent
    } else {
        Refusal::Unknown
    })
}

/// The job number that `sbatch --parsable` printed: `NUMBER` or `NUMBER;CLUSTER`, after whatever a wrapper printed before.
pub(super) fn job_number(stdout: &str) -> Option<u64> {
    let line = stdout.lines().rev().find(|line| !line.trim().is_empty())?;
    line.split(';').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let said = |code, stderr: &str| Said {
            code,
            stdout: String::new(),
            stderr: format!("sbatch: error: {stderr}\n"),
        };
        let cases = [
            (
                "Batch job submission failed: Invalid partition name specified",
                Refusal::Permanent,
            ),
            (
                "Batch job submission failed: Requested node configuration is not available",
                Refusal::Permanent,
            ),
            (
                "Batch job submission failed: Invalid account or account/partition combination specified",
                Refusal::Permanent,
            ),
            (
                "Batch job submission failed: Unable to contact slurm controller (connect failure)",
                Refusal::Away,
            ),
            (
                "Batch job submission failed: Socket timed out on send/recv operation",
                Refusal::Away,
            ),
            (
                "Slurm temporarily unable to accept job, sleeping and retrying",
                Refusal::Away,
            ),
            (
                "QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job \
                 submit limit, user's size and/or time limits)",
                Refusal::TooMany,
            ),
            (
                "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
                Refusal::Policy,
            ),
            ("Batch job submission failed: Something new", Refusal::Unknown),
        ];
        for (text, meaning) in cases {
            assert_eq!(classify(&said(Some(1), text)), Some(meaning), "{text}");
        }
        assert_eq!(classify(&said(None, "")), Some(Refusal::Away));
        assert_eq!(classify(&said(Some(0), "a greeting")), None);
        assert_eq!(job_number("12\n"), Some(12));
        assert_eq!(job_number("Welcome!\n12;hal\n\n"), Some(12));
        assert_eq!(job_number("Submitted batch job twelve"), None);
    }
}
