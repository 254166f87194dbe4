//! OUTCAR: the second witness of a label, with version, warnings and memory; and all ionic steps of runs that were made elsewhere.

mod complaints;
mod reader;

use std::collections::BTreeMap;

pub use complaints::{bad_input, lost_its_way, unconverged};
use reader::Reader;

use super::vasprun::VasprunError;
use crate::linear::{Mat3, Vec3};
use crate::structure::Species;

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
    /// Its first number that is none.
    pub broken: Option<String>,
}

/// What a whole OUTCAR says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcar {
    /// The version, as the first line has it, without the build.
    pub version: String,
    /// The number of atoms.
    pub atoms: Option<usize>,
    /// The element of each group of atoms, from the titles of the pseudopotentials.
    pub elements: Vec<Species>,
    /// The titles of the pseudopotentials.
    pub titles: Vec<String>,
    /// The number of atoms of each group.
    pub groups: Vec<usize>,
    /// Tags of the INCAR as VASP understood them, of those that make energies comparable.
    pub tags: BTreeMap<String, String>,
    /// The largest number of electronic steps.
    pub most_electronic_steps: Option<usize>,
    /// The ionic steps whose energy is there.
    pub steps: Vec<OutcarStep>,
    /// Steps that VASP's own force field answered.
    pub force_field_steps: usize,
    /// Whether an ionic step was begun that has no energy.
    pub begun: bool,
    /// Whether the closing table of times is there.
    pub finished: bool,
    /// The largest memory of a process, kB.
    pub memory: Option<f64>,
}

impl Outcar {
    /// Reads an OUTCAR as far as it goes; bytes of any encoding. A number that is none is an error.
    pub fn read(bytes: &[u8]) -> Result<Self, VasprunError> {
        let outcar = Self::read_all(bytes);
        match outcar.steps.iter().find_map(|step| step.broken.clone()) {
            Some(text) => Err(VasprunError::Number {
                text,
                what: "a number of OUTCAR".to_owned(),
            }),
            None => Ok(outcar),
        }
    }

    /// The same, with what is wrong with a step told by the step. A last line without its end is not believed.
    pub fn read_all(bytes: &[u8]) -> Self {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
        Reader::default().read(&text)
    }

    /// The species of each atom, where titles and numbers of atoms are there and agree.
    pub fn species(&self) -> Option<Vec<Species>> {
        let pairs = self.elements.iter().zip(&self.groups);
        let species: Vec<Species> = pairs
            .flat_map(|(element, count)| std::iter::repeat_n(*element, *count))
            .collect();
        let agree = self.elements.len() == self.groups.len() && !species.is_empty();
        (agree && self.atoms.is_none_or(|atoms| atoms == species.len())).then_some(species)
    }
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
        assert!(Outcar::read(TEXT.replace("-2.000000", "*********").as_bytes()).is_err());
    }

    #[test]
    fn fields_without_a_blank_between_them_are_numbers() {
        let text = TEXT.replace(
            "  13.37991   544.49046   255.28119  -198.81087",
            "1013.37991 -5440.49046-12550.28119-11198.81087",
        );
        let step = &Outcar::read(text.as_bytes()).unwrap().steps[0];
        assert_eq!(step.stress.unwrap()[2][2], -12550.28119);
        assert_eq!(step.stress.unwrap()[0], [1013.37991, -11198.81087, 161.62424]);
    }

    #[test]
    fn a_force_field_is_not_asked() {
        let end = TEXT.find(" General timing").unwrap();
        let field = "  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)\n  in kB       1.00000     1.00000     1.00000     \
                     1.00000     1.00000     1.00000\n POSITION                     TOTAL-FORCE (eV/Angst) (ML)\n ---\n      0.00000      \
                     0.00000      0.00000         9.000000      9.000000      9.000000\n ---\n  free  energy ML TOTEN  =  -9.0 eV\n\n  ML \
                     energy  without entropy=  -9.0  ML energy(sigma->0) =  -9.0\n";
        let text = [&TEXT[..end], field, field, &TEXT[end..]].concat();
        let outcar = Outcar::read(text.as_bytes()).unwrap();
        let [step] = outcar.steps.as_slice() else { panic!() };
        assert_eq!((step.free_energy, step.forces.len()), (Some(-6.50214658), 2));
        assert_eq!(step.stress.unwrap()[0][0], 13.37991);
        // The first of the two repeats the step of the electrons.
        assert_eq!(outcar.force_field_steps, 1);
    }

    #[test]
    fn half_a_line_is_not_believed() {
        let cut = TEXT.find("-6.50214658").unwrap() + 5;
        assert!(Outcar::read_all(&TEXT.as_bytes()[..cut]).steps.is_empty());
    }
}
