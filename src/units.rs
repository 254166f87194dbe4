//! Units: eV, Å and atomic mass units inside, conversions at the borders, and quantities that carry their unit in text.
//!
//! The internal unit of time follows from the others, Å·√(amu/eV) ≈ 10.18 fs, so that no equation of motion carries a
//! conversion factor. Constants: CODATA 2018 (Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021)).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Boltzmann's constant in eV/K.
pub const BOLTZMANN: f64 = 8.617_333_262_145_179e-5;
/// One bohr in Å.
pub const BOHR: f64 = 0.529_177_210_903;
/// One hartree in eV.
pub const HARTREE: f64 = 27.211_386_245_988;
/// One rydberg in eV.
pub const RYDBERG: f64 = HARTREE / 2.0;
/// One eV/Å³ in GPa.
pub const GPA_PER_EV_PER_CUBIC_ANGSTROM: f64 = 160.217_663_4;
/// One femtosecond in the internal unit of time, Å·√(amu/eV).
pub const FEMTOSECOND: f64 = 0.09822694750253275;

/// What a [`Quantity`] measures: its internal unit and the units it may be written in.
pub trait Dimension: Copy + fmt::Debug + 'static {
    /// The name used in messages and in the schema, such as "time".
    const NAME: &'static str;
    /// Accepted units with their size in the internal unit; the first is the one values are printed in.
    const UNITS: &'static [(&'static str, f64)];
}

/// The dimension of temperature; the internal unit is kelvin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemperatureDimension;

impl Dimension for TemperatureDimension {
    const NAME: &'static str = "temperature";
    const UNITS: &'static [(&'static str, f64)] = &[("K", 1.0)];
}

/// A temperature written with its unit, such as `"1 K"`; the value is in kelvin.
pub type Temperature = Quantity<TemperatureDimension>;

/// The dimension of time; the internal unit is Å·√(amu/eV).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeDimension;

impl Dimension for TimeDimension {
    const NAME: &'static str = "time";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("fs", FEMTOSECOND),
        ("ps", 1e3 * FEMTOSECOND),
        ("ns", 1e6 * FEMTOSECOND),
    ];
}

/// A time written with its unit, such as `"1 fs"`; the value is in Å·√(amu/eV).
pub type Time = Quantity<TimeDimension>;

/// The dimension of wall-clock time; the internal unit is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationDimension;

impl Dimension for DurationDimension {
    const NAME: &'static str = "wall-clock time";
    const UNITS: &'static [(&'static str, f64)] =
        &[("s", 1.0), ("ms", 1e-3), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)];
}

/// A wall-clock time written with its unit, such as `"1 s"`; the value is in seconds.
pub type Duration = Quantity<DurationDimension>;

/// The dimension of length; the internal unit is Å.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthDimension;

impl Dimension for LengthDimension {
    const NAME: &'static str = "length";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("Å", 1.0),
        ("angstrom", 1.0),
        ("A", 1.0),
        ("nm", 10.0),
        ("pm", 0.01),
        ("bohr", BOHR),
    ];
}

/// A length written with its unit, such as `"1 Å"`; the value is in Å.
pub type Length = Quantity<LengthDimension>;

/// The dimension of energy; the internal unit is eV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyDimension;

impl Dimension for EnergyDimension {
    const NAME: &'static str = "energy";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("eV", 1.0),
        ("meV", 1e-3),
        ("Ha", HARTREE),
        ("hartree", HARTREE),
        ("Ry", RYDBERG),
        ("kJ/mol", 0.010_364_269_656_262_2),
        ("kcal/mol", 0.043_364_104_241_800_9),
    ];
}

/// A energy written with its unit, such as `"1 eV"`; the value is in eV.
pub type Energy = Quantity<EnergyDimension>;

/// The dimension of pressure; the internal unit is eV/Å³.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressureDimension;

impl Dimension for PressureDimension {
    const NAME: &'static str = "pressure";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("GPa", 1.0 / GPA_PER_EV_PER_CUBIC_ANGSTROM),
        ("MPa", 1e-3 / GPA_PER_EV_PER_CUBIC_ANGSTROM),
        ("bar", 1e-4 / GPA_PER_EV_PER_CUBIC_ANGSTROM),
        ("kbar", 0.1 / GPA_PER_EV_PER_CUBIC_ANGSTROM),
        ("atm", 1.01325e-4 / GPA_PER_EV_PER_CUBIC_ANGSTROM),
        ("eV/Å³", 1.0),
        ("eV/A^3", 1.0),
    ];
}

/// A pressure written with its unit, such as `"1 GPa"`; the value is in eV/Å³.
pub type Pressure = Quantity<PressureDimension>;

/// The dimension of mass; the internal unit is amu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassDimension;

impl Dimension for MassDimension {
    const NAME: &'static str = "mass";
    const UNITS: &'static [(&'static str, f64)] = &[("amu", 1.0), ("u", 1.0)];
}

/// A mass written with its unit, such as `"1 amu"`; the value is in amu.
pub type Mass = Quantity<MassDimension>;

/// The dimension of friction; the internal unit is the inverse internal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrequencyDimension;

impl Dimension for FrequencyDimension {
    const NAME: &'static str = "friction";
    const UNITS: &'static [(&'static str, f64)] = &[
        ("1/ps", 1e-3 / FEMTOSECOND),
        ("ps^-1", 1e-3 / FEMTOSECOND),
        ("1/fs", 1.0 / FEMTOSECOND),
        ("fs^-1", 1.0 / FEMTOSECOND),
    ];
}

/// A friction written with its unit, such as `"1 1/ps"`; the value is in the inverse internal time.
pub type Frequency = Quantity<FrequencyDimension>;

/// The dimension of force constant; the internal unit is eV/Å².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForceConstantDimension;

impl Dimension for ForceConstantDimension {
    const NAME: &'static str = "force constant";
    const UNITS: &'static [(&'static str, f64)] = &[("eV/Å²", 1.0), ("eV/A^2", 1.0)];
}

/// A force constant written with its unit, such as `"1 eV/Å²"`; the value is in eV/Å².
pub type ForceConstant = Quantity<ForceConstantDimension>;

/// A number with a unit in text and in the internal unit in memory.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Quantity<D: Dimension> {
    value: f64,
    dimension: PhantomData<D>,
}

impl<D: Dimension> Quantity<D> {
    /// A quantity from its value in the internal unit.
    pub const fn new(value: f64) -> Self {
        Self {
            value,
            dimension: PhantomData,
        }
    }

    /// The value in the internal unit of the dimension.
    pub const fn value(self) -> f64 {
        self.value
    }
}

impl Temperature {
    /// The thermal energy k·T in eV.
    pub fn thermal_energy(self) -> f64 {
        BOLTZMANN * self.value
    }
}

impl<D: Dimension> fmt::Debug for Quantity<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<D: Dimension> fmt::Display for Quantity<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first_unit, first_size) = D::UNITS[0];
        // Rounding to 15 digits hides the last-bit noise of the conversion, so that "1 fs" prints as "1 fs"; more digits,
        // or another unit, are for values that would not read back to the same bits.
        let rounded = |x: f64| format!("{x:.14e}").parse().unwrap_or(x);
        for (unit, size) in D::UNITS {
            let direct = self.value / size;
            let candidates = [rounded(direct), direct, direct.next_up(), direct.next_down()];
            if let Some(shown) = candidates.into_iter().find(|shown: &f64| shown * size == self.value) {
                return write!(formatter, "{shown} {unit}");
            }
        }
        write!(formatter, "{} {first_unit}", rounded(self.value / first_size))
    }
}

/// A quantity's text that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {dimension}: write a number and a unit, one of {units}")]
pub struct QuantityError {
    text: String,
    dimension: &'static str,
    units: String,
}

impl<D: Dimension> FromStr for Quantity<D> {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let fail = || QuantityError {
            text: text.to_owned(),
            dimension: D::NAME,
            units: D::UNITS.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", "),
        };
        let trimmed = text.trim();
        let (number, unit) = if let Some((number, unit)) = trimmed.split_once(char::is_whitespace) {
            (number, unit.trim())
        } else {
            // "300K": a known unit right after the number.
            let mut endings = D::UNITS
                .iter()
                .filter_map(|(unit, _)| trimmed.strip_suffix(unit).map(|number| (number, *unit)));
            endings
                .find(|(number, _)| number.parse::<f64>().is_ok())
                .ok_or_else(fail)?
        };
        let value: f64 = number.parse().map_err(|_| fail())?;
        let size = D::UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fail)?.1;
        if !value.is_finite() {
            return Err(fail());
        }
        Ok(Self::new(value * size))
    }
}

impl<D: Dimension> Serialize for Quantity<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, D: Dimension> Deserialize<'de> for Quantity<D> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        struct Visitor<D>(PhantomData<D>);
        impl<D: Dimension> serde::de::Visitor<'_> for Visitor<D> {
            type Value = Quantity<D>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    formatter,
                    "a {} in quotes with its unit, such as \"1 {}\"",
                    D::NAME,
                    D::UNITS[0].0
                )
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor(PhantomData))
    }
}

impl<D: Dimension> schemars::JsonSchema for Quantity<D> {
    fn schema_name() -> Cow<'static, str> {
        D::NAME.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let units: Vec<&str> = D::UNITS.iter().map(|(unit, _)| *unit).collect();
        schemars::json_schema!({ "type": "string", "format": D::NAME, "units": units })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_and_print_their_unit() {
        let time: Time = "0.5 fs".parse().unwrap();
        assert_eq!(time.to_string(), "0.5 fs");
        assert_eq!("300K".parse::<Temperature>().unwrap().value(), 300.0);
        assert_eq!("2 h".parse::<Duration>().unwrap().value(), 7200.0);
        assert!((("1 GPa".parse::<Pressure>().unwrap().value() * 160.217_663_4) - 1.0).abs() < 1e-12);
        let error = "300".parse::<Temperature>().unwrap_err().to_string();
        assert!(error.contains("number and a unit, one of K"), "{error}");
        assert!("1 parsec".parse::<Length>().is_err());
        assert!("inf K".parse::<Temperature>().is_err());
    }

    #[test]
    fn quantities_read_back_to_the_same_bits() {
        let mut thousandths = 1.0_f64;
        for _ in 0..300 {
            thousandths *= 1.0371;
            for text in [
                format!("{thousandths} meV"),
                format!("{thousandths} kJ/mol"),
                format!("{thousandths} Ry"),
            ] {
                let energy: Energy = text.parse().unwrap();
                assert_eq!(energy, energy.to_string().parse().unwrap(), "{text}");
            }
            let length: Length = format!("{thousandths} bohr").parse().unwrap();
            assert_eq!(length, length.to_string().parse().unwrap());
            for text in [format!("{thousandths} fs"), format!("{thousandths} ps")] {
                let time: Time = text.parse().unwrap();
                assert_eq!(time, time.to_string().parse().unwrap(), "{text}");
            }
            let pressure: Pressure = format!("{thousandths} kbar").parse().unwrap();
            assert_eq!(pressure, pressure.to_string().parse().unwrap());
        }
        assert_eq!("0.5 fs".parse::<Time>().unwrap().to_string(), "0.5 fs");
        assert_eq!("1 ps".parse::<Time>().unwrap().to_string(), "1000 fs");
        assert_eq!("1 GPa".parse::<Pressure>().unwrap().to_string(), "1 GPa");
    }

    #[test]
    fn internal_time_unit_is_consistent() {
        // Å·√(amu/eV) in femtoseconds from SI constants: 1e-10 m·√(1.66053906660e-27 kg / 1.602176634e-19 J).
        let femtoseconds = 1e-10 * (1.660_539_066_60e-27_f64 / 1.602_176_634e-19).sqrt() * 1e15;
        assert!(
            (FEMTOSECOND * femtoseconds - 1.0).abs() < 1e-9,
            "{}",
            1.0 / femtoseconds
        );
    }
}
