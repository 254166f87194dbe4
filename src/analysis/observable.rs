//! Observables of one structure that a user names: a distance, an angle, a coordination number, a displacement.

use crate::linear::{Vec3, add, dot, norm, scale, sub};
use crate::structure::{NeighbourList, Species, Structure};

/// An observable with its place; atoms are counted from 0, as in the files.
#[derive(Clone, Debug, PartialEq)]
pub enum Observable {
    /// `distance:I,J`: between two atoms, the nearest image, Å.
    Distance(usize, usize),
    /// `angle:I,J,K`: at atom J between the nearest images of I and K, degrees.
    Angle(usize, usize, usize),
    /// `coordination:A-B,R`: the mean number of B atoms nearer than R (Å) to an A atom, images included.
    Coordination(Species, Species, f64),
    /// `msd` or `msd:A`: the mean squared displacement from the start of the run, of all atoms or of one species, Å².
    Displacement(Option<Species>),
    /// `volume`: of the cell, Å³.
    Volume,
    /// `length:a`, `length:b`, `length:c`: of a lattice vector, Å.
    Length(usize),
}

impl Observable {
    /// Reads an observable as the command line has it; the error says what is wrong and what may stand there.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str =
            "write distance:I,J, angle:I,J,K, coordination:A-B,R, msd, msd:A, volume or length:a, atoms counted from 0";
        let wrong = |what: &str| format!("`{text}`: {what}; {FORMS}");
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let parts: Vec<&str> = rest.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let atom = |part: &str| {
            part.parse::<usize>()
                .map_err(|_| wrong(&format!("`{part}` is no atom")))
        };
        let species = |part: &str| {
            part.trim()
                .parse::<Species>()
                .map_err(|_| wrong(&format!("`{part}` is no element")))
        };
        match (kind.trim(), parts.as_slice()) {
            ("distance", [i, j]) => Ok(Self::Distance(atom(i)?, atom(j)?)),
            ("angle", [i, j, k]) => Ok(Self::Angle(atom(i)?, atom(j)?, atom(k)?)),
            ("coordination", [pair, range]) => {
                let (a, b) = pair
                    .split_once('-')
                    .ok_or_else(|| wrong("a pair is two elements, as Si-O"))?;
                let range: f64 = range
                    .parse()
                    .map_err(|_| wrong(&format!("`{range}` is no distance in Å")))?;
                if !(range > 0.0 && range < 30.0) {
                    return Err(wrong("the distance must lie between 0 and 30 Å"));
                }
                Ok(Self::Coordination(species(a)?, species(b)?, range))
            }
            ("msd", []) => Ok(Self::Displacement(None)),
            ("msd", [a]) => Ok(Self::Displacement(Some(species(a)?))),
            ("volume", []) => Ok(Self::Volume),
            ("length", [name]) => match *name {
                "a" => Ok(Self::Length(0)),
                "b" => Ok(Self::Length(1)),
                "c" => Ok(Self::Length(2)),
                other => Err(wrong(&format!("there is no lattice vector `{other}`"))),
            },
            _ => Err(wrong("no such observable")),
        }
    }

    /// The unit.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Distance(..) | Self::Length(_) => "Å",
            Self::Angle(..) => "°",
            Self::Coordination(..) => "",
            Self::Displacement(_) => "Å²",
            Self::Volume => "Å³",
        }
    }

    /// Whether the observable exists in structures like this one; the error says why not.
    pub fn fits(&self, structure: &Structure) -> Result<(), String> {
        let count = structure.len();
        let atoms: &[usize] = match self {
            Self::Distance(i, j) => &[*i, *j],
            Self::Angle(i, j, k) => &[*i, *j, *k],
            _ => &[],
        };
        if let Some(atom) = atoms.iter().find(|atom| **atom >= count) {
            return Err(format!("there is no atom {atom}: the {count} atoms are counted from 0"));
        }
        let distinct = match self {
            Self::Distance(i, j) => i != j,
            Self::Angle(i, j, k) => i != j && j != k && i != k,
            _ => true,
        };
        if !distinct {
            return Err("its atoms must differ".to_owned());
        }
        let species: Vec<Species> = match self {
            Self::Coordination(a, b, _) => vec![*a, *b],
            Self::Displacement(Some(a)) => vec![*a],
            _ => Vec::new(),
        };
        if let Some(missing) = species.iter().find(|own| !structure.species.contains(own)) {
            return Err(format!("there is no {} in the structure", missing.symbol()));
        }
        if matches!(self, Self::Volume | Self::Length(_)) && !structure.cell.is_bulk() {
            return Err("the cell is not periodic in all directions".to_owned());
        }
        Ok(())
    }

    /// Its value in a structure that it [`Self::fits`]; `reference` is the start of the run.
    pub fn value(&self, structure: &Structure, reference: &Structure) -> f64 {
        match self {
            Self::Distance(i, j) => norm(separation(structure, *i, *j)),
            Self::Angle(i, j, k) => {
                let (a, b) = (separation(structure, *j, *i), separation(structure, *j, *k));
                (dot(a, b) / (norm(a) * norm(b))).clamp(-1.0, 1.0).acos().to_degrees()
            }
            Self::Coordination(a, b, range) => {
                let list = NeighbourList::build(structure, *range);
                let (mut centres, mut neighbours) = (0.0, 0.0);
                for i in (0..structure.len()).filter(|i| structure.species[*i] == *a) {
                    centres += 1.0;
                    for neighbour in list.of(i) {
                        let j = neighbour.index as usize;
                        let apart = sub(add(structure.positions[j], neighbour.offset), structure.positions[i]);
                        if structure.species[j] == *b && norm(apart) < *range {
                            neighbours += 1.0;
                        }
                    }
                }
                neighbours / centres
            }
            Self::Displacement(species) => {
                let (mut sum, mut count) = (0.0, 0.0);
                for (i, (here, there)) in structure.positions.iter().zip(&reference.positions).enumerate() {
                    if species.is_none_or(|own| own == structure.species[i]) {
                        let d = sub(*here, *there);
                        sum += dot(d, d);
                        count += 1.0;
                    }
                }
                sum / count
            }
            Self::Volume => structure.cell.volume(),
            Self::Length(k) => norm(structure.cell.vectors()[*k]),
        }
    }
}

/// From atom i to the nearest image of atom j, Å. Rounding fractional coordinates finds it only in cells near to
/// orthogonal, so the images around the rounded one are looked at too; that is enough for a reduced cell.
fn separation(structure: &Structure, i: usize, j: usize) -> Vec3 {
    let periodic = structure.cell.periodic();
    let vectors = structure.cell.vectors();
    let mut apart = sub(structure.positions[j], structure.positions[i]);
    if periodic.iter().any(|p| *p) {
        let fractional = structure.cell.fractional(apart);
        for k in (0..3).filter(|k| periodic[*k]) {
            apart = sub(apart, scale(fractional[k].round(), vectors[k]));
        }
    }
    let shifts = |k: usize| if periodic[k] { -1..=1 } else { 0..=0 };
    let mut nearest = apart;
    for a in shifts(0) {
        for b in shifts(1) {
            for c in shifts(2) {
                let mut image = apart;
                for (k, n) in [a, b, c].into_iter().enumerate() {
                    image = add(image, scale(f64::from(n), vectors[k]));
                }
                if dot(image, image) < dot(nearest, nearest) {
                    nearest = image;
                }
            }
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Cell;

    fn water() -> Structure {
        let species = vec!["O".parse().unwrap(), "H".parse().unwrap(), "H".parse().unwrap()];
        let positions = vec![[0.1, 0.0, 0.0], [4.1, 0.0, 0.0], [0.1, 1.0, 0.0]];
        Structure::new(Cell::cubic(5.0).unwrap(), species, positions).unwrap()
    }

    fn value(text: &str) -> f64 {
        let observable = Observable::parse(text).unwrap();
        observable.fits(&water()).unwrap();
        let moved = water().with_positions(vec![[0.1, 0.0, 2.0], [4.1, 0.0, 0.0], [0.1, 1.0, 0.0]]);
        match observable {
            Observable::Displacement(_) => observable.value(&moved, &water()),
            _ => observable.value(&water(), &water()),
        }
    }

    #[test]
    fn values_are_those_of_the_nearest_images() {
        for (text, expected) in [
            ("distance:0,1", 1.0),
            ("angle:1,0,2", 90.0),
            ("coordination:O-H,1.2", 2.0),
            ("coordination:H-O, 1.2", 1.0),
            ("msd", 4.0 / 3.0),
            ("msd:O", 4.0),
            ("msd:H", 0.0),
            ("volume", 125.0),
            ("length:b", 5.0),
        ] {
            assert!((value(text) - expected).abs() < 1e-12, "{text}: {}", value(text));
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for (text, part) in [
            ("bond:0,1", "no such observable"),
            ("distance:0", "no such observable"),
            ("distance:0,x", "`x` is no atom"),
            ("coordination:O,2", "two elements"),
            ("coordination:O-Xx,2", "`Xx` is no element"),
            ("coordination:O-H,-2", "between 0 and 30"),
            ("length:d", "no lattice vector `d`"),
        ] {
            let message = Observable::parse(text).unwrap_err();
            assert!(
                message.contains(part) && message.contains("write distance"),
                "{message}"
            );
        }
        for (text, part) in [
            ("distance:0,3", "there is no atom 3"),
            ("distance:1,1", "must differ"),
            ("msd:Si", "there is no Si"),
        ] {
            let message = Observable::parse(text).unwrap().fits(&water()).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
