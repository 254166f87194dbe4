//! A double well around each atom's site, with a barrier that molecular dynamics does not cross: a test of methods that must.
//!
//! Each Cartesian coordinate x of an atom's displacement from its site feels
//! U(x) = D [(x/w − 1)² − 1]² + t x/(2w): minima near x = 0 and x = 2w, a barrier of about D between them, and the second minimum higher by t.
//! The 3N coordinates are independent at constant cell, so that their density exp(−U/kT) and all averages are quadratures of one dimension.
//!
//! As in [`super::asymmetric`] the sites are affine in the cell, the wells are tied to the Cartesian axes, and the stress is the symmetric
//! part of the derivative by strains.

use super::parameters::{Parameters, positive};
use super::sites::{Moments, Sites};
use super::{AnalyticError, Surface};
use crate::linear::Vec3;
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;
use crate::units::{Energy, Length, Temperature};

const NAME: &str = "double-well";

/// Two wells for each Cartesian displacement x of each atom from its site: U = Σ D [(x/w − 1)² − 1]² + t x/(2w).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DoubleWellConfig {
    /// The height D of the barrier.
    pub barrier: Energy,
    /// Half the distance w between the wells.
    pub half_distance: Length,
    /// The energy t by which the well at x = 2w lies higher than the one at the site.
    pub tilt: Energy,
    /// The sites in Å, Cartesian, one per atom; the positions of the first frame where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Vec3>>,
}

impl Default for DoubleWellConfig {
    fn default() -> Self {
        Self {
            barrier: Energy::new(0.3),
            half_distance: Length::new(0.5),
            tilt: Energy::new(0.02),
            sites: None,
        }
    }
}

/// The double wells with their sites.
#[derive(Clone, Debug)]
pub struct DoubleWell {
    sites: Sites,
    barrier: f64,
    half_distance: f64,
    tilt: f64,
}

impl DoubleWell {
    /// The wells of a config beside the sites of the first frame (or the config's own).
    pub fn new(config: &DoubleWellConfig, first_frame: &Structure) -> Result<Self, AnalyticError> {
        if !config.tilt.value().is_finite() {
            return Err(AnalyticError::parameter(NAME, "tilt", "is not a finite number"));
        }
        Ok(Self {
            sites: Sites::new(NAME, config.sites.as_deref(), first_frame)?,
            barrier: positive(NAME, "barrier", config.barrier.value())?,
            half_distance: positive(NAME, "half-distance", config.half_distance.value())?,
            tilt: config.tilt.value(),
        })
    }

    /// Energy and its derivative of one coordinate.
    fn coordinate(&self, x: f64) -> (f64, f64) {
        let y = x / self.half_distance - 1.0;
        let bracket = y * y - 1.0;
        let slope = 0.5 * self.tilt / self.half_distance;
        (
            self.barrier * bracket * bracket + slope * x,
            4.0 * self.barrier * bracket * y / self.half_distance + slope,
        )
    }

    /// Canonical mean and variance of the energy of the atoms that are not fixed, and the part of coordinates beyond the barrier's middle
    /// x = w, by the trapezoidal rule, which converges exponentially here.
    pub fn exact_averages(&self, temperature: Temperature) -> (Moments, f64) {
        let kt = temperature.thermal_energy();
        let w = self.half_distance;
        let step = 1e-4;
        let (mut weight, mut first, mut second, mut beyond) = (0.0, 0.0, 0.0, 0.0);
        // The energy is far above kT at both ends, unless kT exceeds the barrier a thousandfold.
        for index in -80_000..=80_000_i32 {
            let y = f64::from(index) * step;
            let energy = self.coordinate(w * (1.0 + y)).0;
            let density = (-energy / kt).exp();
            weight += density;
            first += density * energy;
            second += density * energy * energy;
            // The middle counts half, as the trapezoidal rule has it.
            beyond += density * f64::from(index.signum() + 1) * 0.5;
        }
        let (mean, square) = (first / weight, second / weight);
        let coordinates = 3.0 * self.sites.movable() as f64;
        let moments = Moments {
            mean: coordinates * mean,
            variance: coordinates * (square - mean * mean),
        };
        (moments, beyond / weight)
    }
}

impl Potential for DoubleWell {
    fn evaluate(&self, structure: &Structure, _workspace: &mut Workspace) -> Labels {
        self.sites.labels(structure, |x| self.coordinate(x))
    }

    fn translation_invariant(&self) -> bool {
        false
    }
}

impl Surface for DoubleWell {
    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.number("barrier", self.barrier);
        parameters.number("half-distance", self.half_distance);
        parameters.number("tilt", self.tilt);
        parameters.text("sites", self.sites.digest());
        parameters
    }

    fn check(&self, structure: &Structure) -> Result<(), AnalyticError> {
        self.sites.check(NAME, structure)
    }
}
