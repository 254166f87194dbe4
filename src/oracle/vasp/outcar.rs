//! OUTCAR: the second witness of a label, with version, warnings and memory.

use super::vasprun::{VasprunError, number, vector};
use crate::linear::{Mat3, Vec3};

/// What OUTCAR says of one ionic step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutcarStep {
    /// The number of electronic steps.
    pub electronic_steps: usize,
    /// The free energy with all corrections, eV.
    pub free_energy: Option<f64>,
    /// The energy extrapolated to no smearing, eV.
    pub energy_to_zero: Option<f64>,
    /// Stress in kB, compressive positive.
    pub stress: Option<Mat3>,
    /// Lattice vectors in rows, Å.
    pub basis: Option<Mat3>,
    /// Cartesian positions in Å, five decimals.
    pub positions: Vec<Vec3>,
    /// Forces in eV/Å, six decimals.
    pub forces: Vec<Vec3>,
    /// Whether a line says that the electrons are not self-consistent.
    pub unconverged: bool,
}

/// What a whole OUTCAR says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcar {
    /// The version, as the first line has it, without the build.
    pub version: String,
    /// The number of atoms.
    pub atoms: Option<usize>,
    /// The largest number of electronic steps.
    pub most_electronic_steps: Option<usize>,
    /// The ionic steps whose energy is there.
    pub steps: Vec<OutcarStep>,
    /// Whether the closing table of times is there.
    pub finished: bool,
    /// The largest memory of a process, kB.
    pub memory: Option<f64>,
}

/// Says, in VASP 6 only, that the steps ran out.
const UNCONVERGED: [&str; 3] = [
    "electronic self-consistency was not achieved",
    "EDIFF was not reached",
    "aborting loop because hard stop",
];

impl Outcar {
    /// Reads an OUTCAR as far as it goes; bytes of any encoding.
    pub fn read(bytes: &[u8]) -> Result<Self, VasprunError> {
        let text = String::from_utf8_lossy(bytes);
        let mut outcar = Self::default();
        let mut step = OutcarStep::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if outcar.version.is_empty() && line.trim_start().starts_with("vasp.") {
                line.split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut outcar.version);
            } else if line.contains("NIONS =") {
                outcar.atoms = line.rsplit('=').next().and_then(|word| word.trim().parse().ok());
            } else if line.contains("NELM   =") || line.contains("NELM =") {
                let value = line.split('=').nth(1).unwrap_or_default();
                outcar.most_electronic_steps = value
                    .split([';', ' '])
                    .find(|word| !word.is_empty())
                    .and_then(|word| word.parse().ok());
            } else if line.contains("Iteration") && line.contains('(') && line.contains("---") {
                // ---- Iteration  ionic( electronic)  ----
                let inside = line.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
                if let Some(electronic) = inside.and_then(|(count, _)| count.trim().parse().ok()) {
                    if electronic == 1 && step.free_energy.is_some() {
                        outcar.steps.push(std::mem::take(&mut step));
                    }
                    step.electronic_steps = electronic;
                }
            } else if UNCONVERGED.iter().any(|words| line.contains(words)) {
                step.unconverged = true;
            } else if line.contains("free  energy   TOTEN") {
                let value = line
                    .split('=')
                    .nth(1)
                    .unwrap_or_default()
                    .trim()
                    .trim_end_matches("eV")
                    .trim();
                step.free_energy = Some(number(value, "the free energy in OUTCAR")?);
            } else if line.contains("energy  without entropy") {
                step.energy_to_zero = line
                    .rsplit('=')
                    .next()
                    .and_then(|word| number(word.trim(), "an energy").ok());
            } else if line.trim_start().starts_with("in kB") {
                let words: Vec<&str> = line.split_whitespace().skip(2).collect();
                if let [xx, yy, zz, xy, yz, zx] = words.as_slice() {
                    let value = |word: &str| number(word, "a stress in OUTCAR");
                    let (xy, yz, zx) = (value(xy)?, value(yz)?, value(zx)?);
                    step.stress = Some([[value(xx)?, xy, zx], [xy, value(yy)?, yz], [zx, yz, value(zz)?]]);
                }
            } else if line.contains("direct lattice vectors") {
                let mut rows = [[0.0; 3]; 3];
                let mut good = true;
                for row in &mut rows {
                    let first = lines
                        .next()
                        .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
                    match first.map(|first| vector(&first, "a lattice vector in OUTCAR")) {
                        Some(Ok(vector)) => *row = vector,
                        _ => good = false,
                    }
                }
                step.basis = good.then_some(rows);
            } else if line.contains("TOTAL-FORCE") {
                step.positions.clear();
                step.forces.clear();
                lines.next();
                for row in lines.by_ref() {
                    let words: Vec<&str> = row.split_whitespace().collect();
                    if words.len() < 6 {
                        break;
                    }
                    step.positions
                        .push(vector(&words[..3].join(" "), "a position in OUTCAR")?);
                    step.forces.push(vector(&words[3..6].join(" "), "a force in OUTCAR")?);
                }
            } else if line.contains("General timing and accounting") {
                outcar.finished = true;
            } else if line.contains("Maximum memory used (kb):") {
                outcar.memory = line.rsplit(':').next().and_then(|word| word.trim().parse().ok());
            }
        }
        if step.free_energy.is_some() {
            outcar.steps.push(step);
        }
        Ok(outcar)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = " vasp.5.4.4.18Apr17-6-g9f103f2a35 (build Apr  9 2020 10:35:27) complex\r
   number of dos      NEDOS =    301   number of ions     NIONS =      2
   NELM   =     20;   NELMIN=  2; NELMDL= -5     # of ELM steps
--------------------------------------- Iteration      1(   1)  ---------------------------------------
  free energy    TOTEN  =         6.42208910 eV
--------------------------------------- Iteration      1(  12)  ---------------------------------------
  in kB      13.37991   544.49046   255.28119  -198.81087  -417.05080   161.62424
      direct lattice vectors                 reciprocal lattice vectors
     0.000000000  2.734364000  2.734364000    -0.182857878  0.182857878  0.182857878
     2.734364000  0.000000000  2.734364000     0.182857878 -0.182857878  0.182857878
     2.734364000  2.734364000  0.000000000     0.182857878  0.182857878 -0.182857878
 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         1.000000     -2.000000      3.000000
      1.00000      1.00000      1.00000        -1.000000      2.000000     -3.000000
 -----------------------------------------------------------------------------------
  free  energy   TOTEN  =        -6.50214658 eV
  energy  without entropy=       -6.50108600  energy(sigma->0) =       -6.50161629
 General timing and accounting informations for this job:
                   Maximum memory used (kb):       35064.
";

    #[test]
    fn an_outcar_is_read() {
        let outcar = Outcar::read(TEXT.as_bytes()).unwrap();
        assert_eq!(outcar.version, "vasp.5.4.4.18Apr17-6-g9f103f2a35");
        assert_eq!((outcar.atoms, outcar.most_electronic_steps), (Some(2), Some(20)));
        assert!(outcar.finished && outcar.memory == Some(35064.0));
        let [step] = outcar.steps.as_slice() else { panic!() };
        assert_eq!((step.electronic_steps, step.free_energy), (12, Some(-6.50214658)));
        assert_eq!(step.stress.unwrap()[0], [13.37991, -198.81087, 161.62424]);
        assert_eq!(step.basis.unwrap()[0], [0.0, 2.734364, 2.734364]);
        assert_eq!(step.forces[1], [-1.0, 2.0, -3.0]);
        assert!(!step.unconverged);
        assert!(Outcar::read(TEXT.replace("-6.50214658", "***********").as_bytes()).is_err());
    }
}
