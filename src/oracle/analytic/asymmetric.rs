//! A skewed one-body well with closed-form averages, for statistical tests.
//!
//! Each Cartesian coordinate x of an atom's displacement from its site feels U(x) = D [exp(a x) − a x − 1]. With
//! c = D/kT, the variable y = exp(a x) of the canonical density exp(−U/kT) follows a gamma distribution of shape c and
//! rate c, so that a x + ln c is log-gamma distributed: ⟨y⟩ = 1, ⟨ln y⟩ = ψ(c) − ln c, Var y = Cov(y, ln y) = 1/c and
//! Var ln y = ψ′(c), with the digamma function ψ and its derivative. As U = D (y − ln y − 1), each coordinate has exactly
//!
//! - ⟨U⟩ = D [ln c − ψ(c)],
//! - Var U = D² [ψ′(c) − 1/c],
//!
//! and the 3N coordinates of the N atoms that are not fixed are independent at constant cell. The skewness of x,
//! ψ″(c)/ψ′(c)^(3/2), is −1.3 for the defaults at 300 K. Near its bottom the well has the force constant D a².
//!
//! The sites are affine in the cell, as in [`super::einstein`]. The wells are tied to the Cartesian axes, so the surface
//! is not invariant under rotations and its derivative by a strain, U′(d_α) d_β summed over atoms, is not symmetric: the
//! stress is the symmetric part, the derivative by symmetric strains.

use super::parameters::{Parameters, positive};
use super::sites::{Moments, Sites};
use super::{AnalyticError, Surface};
use crate::linear::Vec3;
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;
use crate::units::{Energy, Temperature};

const NAME: &str = "asymmetric";

/// A skewed one-body well around each atom's site, U = Σ D [exp(a x) − a x − 1] over the Cartesian displacements x.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AsymmetricConfig {
    /// The energy D of the well; the smaller D/kT, the more skewed.
    pub depth: Energy,
    /// The inverse length a in 1/Å.
    pub steepness: f64,
    /// The sites in Å, Cartesian, one per atom; the positions of the first frame where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Vec3>>,
}

impl Default for AsymmetricConfig {
    fn default() -> Self {
        Self {
            depth: Energy::new(0.02),
            steepness: 4.0,
            sites: None,
        }
    }
}

/// The skewed wells with their sites.
#[derive(Clone, Debug)]
pub struct Asymmetric {
    sites: Sites,
    depth: f64,
    steepness: f64,
}

impl Asymmetric {
    /// The wells of a config around the sites of the first frame (or the config's own).
    pub fn new(config: &AsymmetricConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        Ok(Self {
            sites: Sites::new(NAME, config.sites.as_deref(), first_frame)?,
            depth: positive(NAME, "depth", config.depth.value())?,
            steepness: positive(NAME, "steepness", config.steepness)?,
        })
    }

    /// Energy and its derivative of one coordinate.
    fn coordinate(&self, displacement: f64) -> (f64, f64) {
        let x = self.steepness * displacement;
        // exp(x) − 1 keeps its digits near the bottom.
        let rise = x.exp_m1();
        (self.depth * (rise - x), self.depth * self.steepness * rise)
    }

    /// Exact canonical mean and variance of the energy of the atoms that are not fixed, by the formulas above.
    pub fn exact_moments(&self, temperature: Temperature) -> Moments {
        let shape = self.depth / temperature.thermal_energy();
        let coordinates = 3.0 * self.sites.movable() as f64;
        Moments {
            mean: coordinates * self.depth * (shape.ln() - digamma(shape)),
            variance: coordinates * self.depth * self.depth * (trigamma(shape) - 1.0 / shape),
        }
    }
}

impl Potential for Asymmetric {
    fn evaluate(&self, structure: &Structure, _workspace: &mut Workspace) -> Labels {
        self.sites.labels(structure, |x| self.coordinate(x))
    }

    fn translation_invariant(&self) -> bool {
        false
    }
}

impl Surface for Asymmetric {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.number("depth", self.depth);
        parameters.number("steepness", self.steepness);
        parameters.text("sites", self.sites.digest());
        parameters
    }

    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.sites.check(NAME, structure)
    }
}

/// Bernoulli numbers B₂ to B₁₆ of the asymptotic series.
const BERNOULLI: [f64; 8] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
];

/// ψ(x) for x > 0: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun, 6.3.5 and 6.3.18).
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    sum += x.ln() - 0.5 / x;
    let mut power = 1.0;
    for (n, bernoulli) in BERNOULLI.iter().enumerate() {
        power /= x * x;
        sum -= bernoulli * power / (2 * n + 2) as f64;
    }
    sum
}

/// ψ′(x) for x > 0: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun, 6.4.6 and 6.4.12).
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    sum += 1.0 / x + 0.5 / (x * x);
    let mut power = 1.0 / x;
    for bernoulli in BERNOULLI {
        power /= x * x;
        sum += bernoulli * power;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::{Cell, Structure};

    #[test]
    fn digamma_and_trigamma_have_their_known_values() {
        let euler = 0.577_215_664_901_532_9;
        let pi = std::f64::consts::PI;
        assert!((digamma(1.0) + euler).abs() < 1e-13);
        assert!((digamma(0.5) + euler + 2.0 * 2.0_f64.ln()).abs() < 1e-13);
        assert!((trigamma(1.0) - pi * pi / 6.0).abs() < 1e-13);
        assert!((trigamma(0.5) - pi * pi / 2.0).abs() < 1e-13);
    }

    #[test]
    fn exact_moments_agree_with_quadrature() {
        let frame = Structure::new(Cell::free(), vec!["Ar".parse().unwrap()], vec![[0.0; 3]]).unwrap();
        let config = AsymmetricConfig::default();
        let temperature = Temperature::new(300.0);
        let exact = Asymmetric::new(&config, &frame).unwrap().exact_moments(temperature);
        let (depth, beta) = (config.depth.value(), 1.0 / temperature.thermal_energy());
        // One coordinate in units of 1/a, by the trapezoidal rule, which converges exponentially here.
        let (mut weight, mut first, mut second) = (0.0, 0.0, 0.0);
        for step in -120_000..10_000_i32 {
            let x = f64::from(step) * 1e-3;
            let energy = depth * (x.exp_m1() - x);
            let density = (-beta * energy).exp();
            weight += density;
            first += density * energy;
            second += density * energy * energy;
        }
        let mean = first / weight;
        let variance = second / weight - mean * mean;
        assert!((exact.mean / (3.0 * mean) - 1.0).abs() < 1e-9, "{} {mean}", exact.mean);
        assert!(
            (exact.variance / (3.0 * variance) - 1.0).abs() < 1e-9,
            "{} {variance}",
            exact.variance
        );
    }
}
