//! What VASP prints when something is wrong: of the way to the solution, of the input, of convergence.

/// Says, in VASP 6 only, that the steps ran out.
pub(super) const UNCONVERGED: [&str; 3] = [
    "electronic self-consistency was not achieved",
    "EDIFF was not reached",
    "aborting loop because hard stop",
];

/// Complaints that VASP prints when the way to the solution failed: another way may reach it.
const LOST_ITS_WAY: [&str; 6] = [
    "EDDDAV: Call to ZHEGV failed",
    "Error EDDDAV",
    "BRMIX: very serious problems",
    "EDDRMM: call to ZHEGV failed",
    "WARNING in EDDRMM",
    "ZPOTRF failed",
];
/// Complaints about the input: no retry helps.
const BAD_INPUT: [&str; 9] = [
    "TOO FEW BANDS",
    "Error reading item",
    "Error reading POSCAR",
    "ERROR: there must be 1 or 3 items on line 2 of POSCAR",
    "No initial positions read in",
    "internal error in RAD_INT",
    "Fatal error! Could not find entry",
    "ERROR FEXCF: supplied exchange-correlation table",
    "licensing",
];

/// The first line of what VASP printed that says that the way to the solution failed.
pub fn lost_its_way(text: &str) -> Option<&str> {
    first_with(text, &LOST_ITS_WAY)
}

/// The first line of what VASP printed that says that the input is wrong.
pub fn bad_input(text: &str) -> Option<&str> {
    first_with(text, &BAD_INPUT)
}

/// The first line that says that the electrons are not self-consistent.
pub fn unconverged(text: &str) -> Option<&str> {
    first_with(text, &UNCONVERGED)
}

fn first_with<'a>(text: &'a str, patterns: &[&str]) -> Option<&'a str> {
    text.lines()
        .find(|line| patterns.iter().any(|pattern| line.contains(pattern)))
        .map(|line| line.trim().trim_matches('|').trim())
}
