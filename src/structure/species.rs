//! Chemical elements: symbol, atomic number, standard atomic mass.

use std::fmt;
use std::str::FromStr;

use super::StructureError;

/// Symbols and abridged standard atomic masses in amu (IUPAC 2016), in order of atomic number from 1.
const ELEMENTS: [(&str, f64); 103] = [
    ("H", 1.008),
    ("He", 4.002602),
    ("Li", 6.94),
    ("Be", 9.0121831),
    ("B", 10.81),
    ("C", 12.011),
    ("N", 14.007),
    ("O", 15.999),
    ("F", 18.998403163),
    ("Ne", 20.1797),
    ("Na", 22.98976928),
    ("Mg", 24.305),
    ("Al", 26.9815385),
    ("Si", 28.085),
    ("P", 30.973761998),
    ("S", 32.06),
    ("Cl", 35.45),
    ("Ar", 39.948),
    ("K", 39.0983),
    ("Ca", 40.078),
    ("Sc", 44.955908),
    ("Ti", 47.867),
    ("V", 50.9415),
    ("Cr", 51.9961),
    ("Mn", 54.938044),
    ("Fe", 55.845),
    ("Co", 58.933194),
    ("Ni", 58.6934),
    ("Cu", 63.546),
    ("Zn", 65.38),
    ("Ga", 69.723),
    ("Ge", 72.63),
    ("As", 74.921595),
    ("Se", 78.971),
    ("Br", 79.904),
    ("Kr", 83.798),
    ("Rb", 85.4678),
    ("Sr", 87.62),
    ("Y", 88.90584),
    ("Zr", 91.224),
    ("Nb", 92.90637),
    ("Mo", 95.95),
    ("Tc", 97.90721),
    ("Ru", 101.07),
    ("Rh", 102.9055),
    ("Pd", 106.42),
    ("Ag", 107.8682),
    ("Cd", 112.414),
    ("In", 114.818),
    ("Sn", 118.71),
    ("Sb", 121.76),
    ("Te", 127.6),
    ("I", 126.90447),
    ("Xe", 131.293),
    ("Cs", 132.90545196),
    ("Ba", 137.327),
    ("La", 138.90547),
    ("Ce", 140.116),
    ("Pr", 140.90766),
    ("Nd", 144.242),
    ("Pm", 144.91276),
    ("Sm", 150.36),
    ("Eu", 151.964),
    ("Gd", 157.25),
    ("Tb", 158.92535),
    ("Dy", 162.5),
    ("Ho", 164.93033),
    ("Er", 167.259),
    ("Tm", 168.93422),
    ("Yb", 173.054),
    ("Lu", 174.9668),
    ("Hf", 178.49),
    ("Ta", 180.94788),
    ("W", 183.84),
    ("Re", 186.207),
    ("Os", 190.23),
    ("Ir", 192.217),
    ("Pt", 195.084),
    ("Au", 196.966569),
    ("Hg", 200.592),
    ("Tl", 204.38),
    ("Pb", 207.2),
    ("Bi", 208.9804),
    ("Po", 208.98243),
    ("At", 209.98715),
    ("Rn", 222.01758),
    ("Fr", 223.01974),
    ("Ra", 226.02541),
    ("Ac", 227.02775),
    ("Th", 232.0377),
    ("Pa", 231.03588),
    ("U", 238.02891),
    ("Np", 237.04817),
    ("Pu", 244.06421),
    ("Am", 243.06138),
    ("Cm", 247.07035),
    ("Bk", 247.07031),
    ("Cf", 251.07959),
    ("Es", 252.083),
    ("Fm", 257.09511),
    ("Md", 258.09843),
    ("No", 259.101),
    ("Lr", 262.11),
];

/// A chemical element, ordered by atomic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Species(u8);

impl Species {
    /// The element of an atomic number from 1 to 103.
    pub fn from_atomic_number(number: u8) -> Result<Self, StructureError> {
        if number == 0 || usize::from(number) > ELEMENTS.len() {
            return Err(StructureError::UnknownElement(number.to_string()));
        }
        Ok(Self(number))
    }

    /// The atomic number Z.
    pub fn atomic_number(self) -> u8 {
        self.0
    }

    /// The symbol, such as "Si".
    pub fn symbol(self) -> &'static str {
        ELEMENTS[usize::from(self.0) - 1].0
    }

    /// The standard atomic mass in amu.
    pub fn mass(self) -> f64 {
        ELEMENTS[usize::from(self.0) - 1].1
    }
}

impl fmt::Display for Species {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.symbol())
    }
}

impl FromStr for Species {
    type Err = StructureError;

    fn from_str(symbol: &str) -> Result<Self, StructureError> {
        ELEMENTS
            .iter()
            .position(|(known, _)| *known == symbol)
            .map(|index| Self(index as u8 + 1))
            .ok_or_else(|| StructureError::UnknownElement(symbol.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_numbers_agree() {
        let silicon: Species = "Si".parse().unwrap();
        assert_eq!(silicon.atomic_number(), 14);
        assert_eq!(silicon.to_string(), "Si");
        assert!((silicon.mass() - 28.085).abs() < 1e-9);
        assert!("Xx".parse::<Species>().is_err());
        assert!(Species::from_atomic_number(0).is_err());
    }
}
