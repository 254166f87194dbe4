//! The temperature of the electrons that a recipe sets: with it the surface itself depends on a temperature.

use std::path::Path;

use super::ipi::cp2k_input::Section;
use super::ipi::pw_input::PwInput;
use super::ipi::recipe::RecipeFiles;
use super::ipi::{CP2K_RECIPE, Cp2kConfig, ESPRESSO_RECIPE, EspressoConfig};
use super::vasp::{self, VaspConfig};
use crate::units::{BOLTZMANN, RYDBERG};

/// Fermi–Dirac occupation of the electrons' states.
#[derive(Clone, Debug, PartialEq)]
pub struct FermiDirac {
    /// Where the recipe says so.
    pub setting: String,
    /// kT of the electrons, eV.
    pub thermal_energy: f64,
}

/// What VASP's INCAR says: ISMEAR = -1 with SIGMA. `None` also where the recipe cannot be read, which others complain about.
pub fn of_vasp(config: &VaspConfig, config_dir: &Path) -> Option<FermiDirac> {
    let built_in = (VaspConfig::default().recipe, vasp::RECIPE);
    let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1))).ok()?;
    in_incar(files.text("INCAR").ok()?)
}

/// What the input of pw.x says: smearing = 'fermi-dirac' with degauss.
pub fn of_espresso(config: &EspressoConfig, config_dir: &Path) -> Option<FermiDirac> {
    let built_in = (EspressoConfig::default().recipe, ESPRESSO_RECIPE);
    let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1))).ok()?;
    in_pw_input(files.text("pw.in").ok()?)
}

/// What the input of CP2K says: &SMEAR with METHOD FERMI_DIRAC and ELECTRONIC_TEMPERATURE.
pub fn of_cp2k(config: &Cp2kConfig, config_dir: &Path) -> Option<FermiDirac> {
    let built_in = (Cp2kConfig::default().recipe, CP2K_RECIPE);
    let files = RecipeFiles::find(&config.recipe, config_dir, Some((&built_in.0, built_in.1))).ok()?;
    in_cp2k_input(files.text("cp2k.inp").ok()?)
}

fn in_incar(text: &str) -> Option<FermiDirac> {
    let incar = vasp::parse_incar(text).ok()?;
    if incar.integer("ISMEAR").ok()?? != -1 {
        return None;
    }
    // VASP's own default.
    let sigma = incar.number("SIGMA").ok()?.unwrap_or(0.2);
    Some(FermiDirac {
        setting: format!("INCAR: ISMEAR = -1, SIGMA = {sigma}"),
        thermal_energy: sigma,
    })
}

fn in_pw_input(text: &str) -> Option<FermiDirac> {
    let input = PwInput::parse(text).ok()?;
    let bare = |value: &str| value.trim_matches(['\'', '"', ' ']).to_lowercase();
    if bare(input.get("system", "occupations")?) != "smearing" {
        return None;
    }
    if !["fermi-dirac", "f-d", "fd"].contains(&bare(input.get("system", "smearing")?).as_str()) {
        return None;
    }
    let degauss = input.get("system", "degauss")?;
    let width: f64 = degauss.to_lowercase().replace('d', "e").parse().ok()?;
    Some(FermiDirac {
        setting: format!("pw.in: smearing = 'fermi-dirac', degauss = {degauss}"),
        thermal_energy: width * RYDBERG,
    })
}

fn in_cp2k_input(text: &str) -> Option<FermiDirac> {
    let input = Section::parse(text).ok()?;
    let smear = input.at(&["FORCE_EVAL", "DFT", "SCF", "SMEAR"])?;
    if !smear
        .get("METHOD")
        .unwrap_or("FERMI_DIRAC")
        .eq_ignore_ascii_case("FERMI_DIRAC")
    {
        return None;
    }
    let written = smear.get("ELECTRONIC_TEMPERATURE").unwrap_or("300");
    let number = written.split_whitespace().last()?;
    let kelvin: f64 = number.parse().ok()?;
    Some(FermiDirac {
        setting: format!("cp2k.inp: ELECTRONIC_TEMPERATURE {written}"),
        thermal_energy: BOLTZMANN * kelvin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn electrons_at_a_temperature_are_found_in_each_input() {
        let found = in_incar("ENCUT = 400\nISMEAR = -1; SIGMA = 0.0259\n").unwrap();
        assert_eq!(found.thermal_energy, 0.0259);
        assert!(in_incar("ISMEAR = 0\nSIGMA = 0.05\n").is_none());
        let pw = |smearing: &str| {
            format!(
                "&control\n/\n&system\n ecutwfc = 30\n occupations = 'smearing', smearing = '{smearing}', degauss = 1.9d-3\n/\n&electrons\n/\n"
            )
        };
        let found = in_pw_input(&pw("f-d")).unwrap();
        assert!((found.thermal_energy - 1.9e-3 * RYDBERG).abs() < 1e-12);
        assert!(in_pw_input(&pw("mv")).is_none());
        let cp2k = "&FORCE_EVAL\n&DFT\n&SCF\n&SMEAR ON\nELECTRONIC_TEMPERATURE [K] 600\n&END SMEAR\n&END SCF\n&END DFT\n&END FORCE_EVAL\n";
        let found = in_cp2k_input(cp2k).unwrap();
        assert!((found.thermal_energy / BOLTZMANN - 600.0).abs() < 1e-9);
        assert!(in_cp2k_input("&FORCE_EVAL\n&END FORCE_EVAL\n").is_none());
    }
}
