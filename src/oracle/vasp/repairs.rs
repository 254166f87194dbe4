//! The ladder of repairs: other paths to the same self-consistent solution, on the same surface.

use super::incar::Incar;

/// One rung: tags that only change the path to the solution.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    tags: Vec<(&'static str, String)>,
}

impl Repair {
    fn new(tags: &[(&'static str, &str)]) -> Self {
        Self {
            tags: tags.iter().map(|(tag, value)| (*tag, (*value).to_owned())).collect(),
        }
    }

    /// Sets the rung's tags.
    pub fn apply(&self, incar: &mut Incar) {
        for (tag, value) in &self.tags {
            if *tag == "ALGO" {
                incar.remove("IALGO");
            }
            incar.set(tag, value.clone());
        }
    }

    /// The rung in words.
    pub fn describe(&self) -> String {
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(tag, value)| format!("{tag} = {value}"))
            .collect();
        format!("from nothing, with {}", tags.join(", "))
    }
}

/// The rungs for an INCAR, gentlest first: more steps, other minimisers, cautious mixing. Never ENCUT, KPOINTS, ISMEAR, SIGMA,
/// PREC, LREAL, NBANDS or the structure, which would change the surface.
pub fn ladder(incar: &Incar, most_electronic_steps: usize) -> Vec<Repair> {
    let longer = (3 * most_electronic_steps).max(120).to_string();
    let longest = (5 * most_electronic_steps).max(300).to_string();
    let own = incar.get("ALGO").unwrap_or("Normal").to_lowercase();
    // With exact exchange or kinetic-energy densities density mixing converges badly.
    let orbital_dependent = incar.logical("LHFCALC") == Some(true) || incar.get("METAGGA").is_some();
    let mut rungs = vec![Repair::new(&[("NELM", &longer)])];
    let others: &[&str] = if orbital_dependent {
        &["All", "Damped"]
    } else {
        &["Normal", "All"]
    };
    for algorithm in others {
        if algorithm.to_lowercase().chars().next() != own.chars().next() {
            rungs.push(Repair::new(&[("NELM", &longest), ("ALGO", algorithm)]));
        }
    }
    rungs.push(if orbital_dependent {
        Repair::new(&[("NELM", &longest), ("ALGO", "Damped"), ("TIME", "0.1")])
    } else {
        Repair::new(&[
            ("NELM", &longest),
            ("ALGO", "Normal"),
            ("AMIX", "0.1"),
            ("BMIX", "0.0001"),
            ("AMIX_MAG", "0.2"),
            ("BMIX_MAG", "0.0001"),
        ])
    });
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rung_touches_the_surface() {
        for text in [
            "ENCUT = 400",
            "ALGO = Fast\nIALGO = 48",
            "LHFCALC = .TRUE.\nALGO = Damped",
            "METAGGA = R2SCAN",
        ] {
            let incar = Incar::parse(text).unwrap();
            let rungs = ladder(&incar, 60);
            assert!(rungs.len() >= 3);
            for rung in rungs {
                let mut changed = incar.clone();
                rung.apply(&mut changed);
                assert_ne!(changed, incar);
                assert_eq!(changed.surface(), incar.surface(), "{}", rung.describe());
            }
        }
    }
}
