//! INCAR: reading it as VASP reads it, what slmc sets, what it refuses and what it warns of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The tags of an INCAR in their order, names in capitals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incar {
    tags: Vec<(String, String)>,
}

/// Tags that only choose what is written, how work is spread, or the path to the self-consistent solution.
const NOT_THE_SURFACE: &[&str] = &[
    "SYSTEM",
    "NWRITE",
    "LWAVE",
    "LCHARG",
    "LVTOT",
    "LVHAR",
    "LELF",
    "LORBIT",
    "NEDOS",
    "EMIN",
    "EMAX",
    "LAECHG",
    "LH5",
    "LWAVEH5",
    "LCHARGH5",
    "NCORE",
    "NPAR",
    "KPAR",
    "NCORE_IN_IMAGE1",
    "LPLANE",
    "NSIM",
    "LSCALU",
    "LSCALAPACK",
    "LSCAAWARE",
    "LASYNC",
    "NBLK",
    "NOMEGAPAR",
    "NTAUPAR",
    "LUSENCCL",
    "ISTART",
    "ICHARG",
    "INIWAV",
    "ALGO",
    "IALGO",
    "LDIAG",
    "LSUBROT",
    "NELM",
    "NELMIN",
    "NELMDL",
    "AMIX",
    "BMIX",
    "AMIX_MAG",
    "BMIX_MAG",
    "AMIN",
    "IMIX",
    "MAXMIX",
    "MIXPRE",
    "INIMIX",
    "WC",
    "MREMOVE",
    "TIME",
    "NRMM",
    "WEIMIN",
    "EBREAK",
    "DEPER",
    "NSW",
    "IBRION",
    "ISIF",
    "ISYM",
    "SYMPREC",
    "POTIM",
    "EDIFFG",
    "NFREE",
    "SMASS",
    "IWAVPR",
    "NBLOCK",
    "KBLOCK",
    "LCORR",
    "INTERACTIVE",
    "MDALGO",
    "TEBEG",
    "TEEND",
    "LREAL_COMPAT",
];

/// One finding about a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The tag.
    pub tag: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

fn finding(tag: &str, message: impl Into<String>) -> Finding {
    Finding {
        tag: tag.to_owned(),
        message: message.into(),
    }
}

impl Incar {
    /// Reads an INCAR: `TAG = value` separated by line ends or semicolons, comments after `#` or `!`, a backslash at the end of a
    /// line goes on with the next, double quotes may hold several lines; lines without `=` are comments.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut incar = Self::default();
        let mut statement = String::new();
        let mut quoted = false;
        for line in text.lines() {
            let mut ended = true;
            let mut characters = line.trim_end().chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    '"' => quoted = !quoted,
                    '#' | '!' if !quoted => break,
                    ';' if !quoted => {
                        incar.statement(&statement)?;
                        statement.clear();
                    }
                    '\\' if !quoted && characters.peek().is_none() => ended = false,
                    _ => statement.push(character),
                }
            }
            if quoted || !ended {
                statement.push(' ');
                continue;
            }
            incar.statement(&statement)?;
            statement.clear();
        }
        if quoted {
            return Err("a double quote is never closed".to_owned());
        }
        incar.statement(&statement)?;
        Ok(incar)
    }

    fn statement(&mut self, statement: &str) -> Result<(), String> {
        let Some((tag, value)) = statement.split_once('=') else {
            return Ok(());
        };
        let tag = tag.trim().to_uppercase();
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if tag.is_empty() || tag.contains(char::is_whitespace) {
            return Err(format!("`{}` is no tag: write TAG = value", statement.trim()));
        }
        if value.is_empty() {
            return Err(format!("{tag} has no value"));
        }
        match self.get(&tag) {
            Some(known) if known != value => Err(format!(
                "{tag} stands there twice, as `{known}` and as `{value}`: keep one"
            )),
            Some(_) => Ok(()),
            None => {
                self.tags.push((tag, value));
                Ok(())
            }
        }
    }

    /// The value of a tag.
    pub fn get(&self, tag: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|(known, _)| known == tag)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a tag, in its place if it is there.
    pub fn set(&mut self, tag: &str, value: impl Into<String>) {
        let value = value.into();
        match self.tags.iter_mut().find(|(known, _)| known == tag) {
            Some((_, old)) => *old = value,
            None => self.tags.push((tag.to_owned(), value)),
        }
    }

    /// Takes a tag out.
    pub fn remove(&mut self, tag: &str) {
        self.tags.retain(|(known, _)| known != tag);
    }

    /// A whole number.
    pub fn integer(&self, tag: &str) -> Result<Option<i64>, Finding> {
        let Some(value) = self.get(tag) else {
            return Ok(None);
        };
        let first = value.split_whitespace().next().unwrap_or_default();
        first
            .parse()
            .map(Some)
            .map_err(|_| finding(tag, format!("`{value}` is no whole number")))
    }

    /// A number, with E or D as exponent.
    pub fn number(&self, tag: &str) -> Result<Option<f64>, Finding> {
        let Some(value) = self.get(tag) else {
            return Ok(None);
        };
        let first = value
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .replace(['d', 'D'], "E");
        first
            .parse()
            .map(Some)
            .map_err(|_| finding(tag, format!("`{value}` is no number")))
    }

    /// A Fortran logical: `.TRUE.`, `T`, `.F.` and the like.
    pub fn logical(&self, tag: &str) -> Option<bool> {
        let value = self.get(tag)?;
        value
            .chars()
            .find(|character| *character != '.')
            .map(|character| matches!(character, 'T' | 't'))
    }

    /// The text of the file.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for (tag, value) in &self.tags {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{tag} = {value}");
        }
        text
    }

    /// The tags that define the surface, for the fingerprint.
    pub fn surface(&self) -> BTreeMap<String, String> {
        let counts = |tag: &str| !NOT_THE_SURFACE.contains(&tag);
        self.tags
            .iter()
            .filter(|(tag, _)| counts(tag))
            .map(|(tag, value)| (format!("INCAR {tag}"), value.clone()))
            .collect()
    }

    /// What slmc cannot go along with. With `variable_cell` energies of different cells are compared, so that what follows the
    /// cell by itself must be given.
    pub fn refusals(&self, variable_cell: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut must_be = |tag: &str, allowed: &[i64], why: &str| match self.integer(tag) {
            Err(error) => found.push(error),
            Ok(Some(value)) if !allowed.contains(&value) => {
                let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                found.push(finding(
                    tag,
                    format!("is {value}; it must be {} or left out: {why}", allowed.join(" or ")),
                ));
            }
            Ok(_) => {}
        };
        must_be("NSW", &[0], "slmc moves the atoms, VASP only labels");
        must_be("IBRION", &[-1], "slmc moves the atoms, VASP only labels");
        must_be("ISYM", &[0, -1], "the atoms of a sample have no symmetry");
        must_be(
            "ISIF",
            &[0, 2, 3],
            "forces and the whole stress are read (0: without stress)",
        );
        must_be(
            "ICHARG",
            &[0, 1, 2],
            "a density that is kept fixed gives no self-consistent energy",
        );
        for tag in ["NELM", "ISPIN", "ISMEAR", "NBANDS", "NELMIN", "NELMDL"] {
            if let Err(error) = self.integer(tag) {
                found.push(error);
            }
        }
        for tag in ["EDIFF", "ENCUT", "SIGMA", "KSPACING"] {
            if let Err(error) = self.number(tag) {
                found.push(error);
            }
        }
        if self
            .number("PSTRESS")
            .is_ok_and(|pressure| pressure.unwrap_or(0.0) != 0.0)
        {
            found.push(finding(
                "PSTRESS",
                "adds a pressure to energy and stress: take it out, slmc has its own",
            ));
        }
        if self.logical("ML_LMLFF") == Some(true) {
            found.push(finding(
                "ML_LMLFF",
                "lets a force field answer in place of the electrons: take it out",
            ));
        }
        if let Some(algorithm) = self.get("ALGO") {
            let lower = algorithm.to_lowercase();
            let one_shot = [
                "none", "nothing", "eigenval", "subrot", "exact", "chi", "gw", "qpgw", "scgw", "evgw", "acfdt", "rpa",
                "bse", "timeev", "2e4w", "cc4",
            ];
            if one_shot.iter().any(|name| lower.starts_with(name)) || lower.contains("gw") {
                found.push(finding(
                    "ALGO",
                    format!("`{algorithm}` seeks no self-consistent ground state: use Normal, Fast, All or Damped"),
                ));
            }
        }
        if self.get("IMAGES").is_some() {
            found.push(finding("IMAGES", "slmc labels one structure at a time: take it out"));
        }
        if variable_cell && self.get("ENCUT").is_none() {
            found.push(finding(
                "ENCUT",
                "is missing: with a cell that varies energies are only comparable at a cutoff that is given",
            ));
        }
        found
    }

    /// What makes energies irreproducible at the scale of kT (eV), or the run slow.
    pub fn warnings(&self, thermal_energy: f64) -> Vec<Finding> {
        let mut found = Vec::new();
        let accuracy = self.number("EDIFF").ok().flatten();
        let given = accuracy.unwrap_or(1e-4);
        if given > thermal_energy / 1000.0 {
            let said = accuracy.map_or("is not given and is 1E-4 then".to_owned(), |_| format!("is {given:e}"));
            found.push(finding(
                "EDIFF",
                format!("{said}, which is coarse beside kT = {thermal_energy:.4} eV: set EDIFF = 1E-6 or less"),
            ));
        }
        if let Some(real) = self.get("LREAL")
            && !matches!(real.trim_start_matches('.').chars().next(), Some('F' | 'f'))
        {
            found.push(finding(
                "LREAL",
                format!("is {real}: projectors in real space change energies by meV; .FALSE. is exact"),
            ));
        }
        let smearing = self.integer("ISMEAR").ok().flatten();
        let width = self.number("SIGMA").ok().flatten();
        if smearing == Some(-5) || smearing == Some(-4) {
            found.push(finding(
                "ISMEAR",
                "the tetrahedron method gives forces that are no derivatives for metals",
            ));
        } else if width.unwrap_or(0.2) > 0.1 {
            let said = width.map_or("is not given and is 0.2 then".to_owned(), |width| format!("is {width}"));
            found.push(finding(
                "SIGMA",
                format!("{said}: a wide smearing has a large electronic entropy; the free energy is sampled"),
            ));
        }
        if self.integer("ISIF") == Ok(Some(0)) {
            found.push(finding("ISIF", "is 0: labels carry no stress"));
        }
        for tag in ["ISTART", "ICHARG", "LWAVE", "LCHARG", "INTERACTIVE"] {
            if self.get(tag).is_some() {
                found.push(finding(
                    tag,
                    "is set by slmc for each label; the value given is not used",
                ));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incar_is_read_as_vasp_reads_it() {
        let text = "just a title\nENCUT = 400 ! eV\nismear=0; SIGMA = 0.05 # narrow\r\nMAGMOM = 2*1.0 \\\n -3.0\n\
                    EDIFF = 1.0D-6\nLASPH = .TRUE.\nPLUGIN = \"a\nb\"\n";
        let incar = Incar::parse(text).unwrap();
        assert_eq!(incar.get("ENCUT"), Some("400"));
        assert_eq!(incar.get("ISMEAR"), Some("0"));
        assert_eq!(incar.get("SIGMA"), Some("0.05"));
        assert_eq!(incar.get("MAGMOM"), Some("2*1.0 -3.0"));
        assert_eq!(incar.number("EDIFF").unwrap(), Some(1e-6));
        assert_eq!(incar.logical("LASPH"), Some(true));
        assert_eq!(incar.get("PLUGIN"), Some("a b"));
        assert_eq!(Incar::parse(&incar.write()).unwrap(), incar);
        assert!(Incar::parse("NSW = 1\nNSW = 2").unwrap_err().contains("twice"));
        assert!(Incar::parse("NSW =").is_err());
        assert!(Incar::parse("A = \"open").is_err());
    }

    #[test]
    fn what_is_no_single_point_is_refused_by_name() {
        let refused = |text: &str, variable| -> Vec<String> {
            let found = Incar::parse(text).unwrap().refusals(variable);
            found.into_iter().map(|finding| finding.tag).collect()
        };
        assert!(refused("ENCUT = 400\nNSW = 0\nIBRION = -1\nISYM = 0\nALGO = All", true).is_empty());
        assert_eq!(
            refused("NSW = 10\nIBRION = 2\nISYM = 2\nISIF = 1\nICHARG = 11", false),
            ["NSW", "IBRION", "ISYM", "ISIF", "ICHARG"]
        );
        assert_eq!(
            refused("PSTRESS = 10\nML_LMLFF = T\nALGO = Eigenval", false),
            ["PSTRESS", "ML_LMLFF", "ALGO"]
        );
        assert_eq!(refused("EDIFF = tight", false), ["EDIFF"]);
        assert_eq!(refused("EDIFF = 1E-6", true), ["ENCUT"]);
    }

    #[test]
    fn what_blurs_energies_is_warned_of() {
        let warned = |text: &str| -> Vec<String> {
            let found = Incar::parse(text).unwrap().warnings(0.0259);
            found.into_iter().map(|finding| finding.tag).collect()
        };
        assert!(warned("EDIFF = 1E-6\nLREAL = .FALSE.\nISMEAR = 0\nSIGMA = 0.05").is_empty());
        assert_eq!(warned("LREAL = Auto"), ["EDIFF", "LREAL", "SIGMA"]);
    }

    #[test]
    fn only_what_defines_the_surface_is_in_the_fingerprint() {
        let incar = Incar::parse("ENCUT = 400\nNCORE = 4\nALGO = Fast\nMAGMOM = 2*1").unwrap();
        let surface: Vec<String> = incar.surface().into_keys().collect();
        assert_eq!(surface, ["INCAR ENCUT", "INCAR MAGMOM"]);
    }
}
