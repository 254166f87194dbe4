//! What the cells of a run say: volume, density, lattice parameters.

use serde_json::{Map, Value};

use super::results::summary_json;
use crate::analysis::statistics::Summary;
use crate::dynamics::{lattice_parameters, volume};
use crate::linear::Mat3;
use crate::structure::Structure;

/// One g/cm³ in amu/Å³.
const GRAM_PER_CUBIC_CENTIMETRE: f64 = 0.602_214_076;

/// `volume` (Å³), `density` (g/cm³) and `cell` (Å and degrees) of equally long chains of lattice vectors.
pub(super) fn cell_json(chains: &[Vec<Mat3>], start: &Structure) -> Map<String, Value> {
    let mass: f64 = start.masses.iter().sum();
    let summary = |f: &dyn Fn(&Mat3) -> f64| {
        let series: Vec<Vec<f64>> = chains.iter().map(|chain| chain.iter().map(f).collect()).collect();
        let summary = Summary::new(&series);
        let mut json = summary_json(&summary);
        json["sd"] = super::results::number(summary.sd);
        json
    };
    let mut out = Map::new();
    out.insert("volume".into(), summary(&volume));
    let density = |cell: &Mat3| mass / volume(cell) / GRAM_PER_CUBIC_CENTIMETRE;
    out.insert("density".into(), summary(&density));
    let mut cell = Map::new();
    for (index, name) in ["a", "b", "c", "alpha", "beta", "gamma"].into_iter().enumerate() {
        cell.insert(name.into(), summary(&|vectors| lattice_parameters(vectors)[index]));
    }
    out.insert("cell".into(), Value::Object(cell));
    out
}
