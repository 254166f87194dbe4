//! Surfaces of exactly known averages at constant pressure: springs around sites that are affine in the cell, and an elastic energy.

use slmc::linear::{Mat3, product, row_times, sub, transpose};
use slmc::potential::{Labels, Potential, Workspace};
use slmc::structure::{Cell, Structure};

/// U = Σ ½k|r − s·h|² + V₀[½λ(ln det F)² + μ η:η], with the Lagrangian strain η = ½(F·Fᵀ − 1), F = h₀⁻¹·h. The logarithm keeps cells
/// from collapsing, which V⁻² d⁹h alone would not.
#[derive(Clone)]
pub struct Elastic {
    /// Scaled sites; none for a gas.
    pub sites: Vec<[f64; 3]>,
    pub force_constant: f64,
    pub reference: Cell,
    pub lame: [f64; 2],
}

impl Elastic {
    /// Around a start; a gas where the force constant is zero.
    pub fn new(start: &Structure, force_constant: f64, lame: [f64; 2]) -> Self {
        let sites = start.positions.iter().map(|r| start.cell.fractional(*r)).collect();
        Self {
            sites,
            force_constant,
            reference: start.cell,
            lame,
        }
    }

    fn metric(&self, cell: &Cell) -> (Mat3, Mat3) {
        let inverse = slmc::linear::inverse(self.reference.vectors()).expect("a cell");
        let f = product(&inverse, cell.vectors());
        (f, product(&f, &transpose(&f)))
    }
}

/// ½λ(ln det F)² + μ η:η from the eigenvalues of F·Fᵀ.
pub fn strain_energy(lame: [f64; 2], squares: [f64; 3]) -> f64 {
    let eta = squares.map(|x| 0.5 * (x - 1.0));
    let logarithm = 0.5 * squares.iter().product::<f64>().ln();
    0.5 * lame[0] * logarithm * logarithm + lame[1] * eta.iter().map(|x| x * x).sum::<f64>()
}

impl Potential for Elastic {
    fn evaluate(&self, structure: &Structure, _workspace: &mut Workspace) -> Labels {
        let cell = &structure.cell;
        let (f, metric) = self.metric(cell);
        let mut eta = metric.map(|row| row.map(|x| 0.5 * x));
        for (k, row) in eta.iter_mut().enumerate() {
            row[k] -= 0.5;
        }
        let logarithm = (cell.volume() / self.reference.volume()).ln();
        let squares: f64 = eta.iter().flatten().map(|x| x * x).sum();
        let volume = self.reference.volume();
        let mut energy = volume * (0.5 * self.lame[0] * logarithm * logarithm + self.lame[1] * squares);
        let conjugate = eta.map(|row| row.map(|x| 2.0 * self.lame[1] * x));
        let mut strain = product(&product(&transpose(&f), &conjugate), &f).map(|row| row.map(|x| volume * x));
        for (k, row) in strain.iter_mut().enumerate() {
            row[k] += volume * self.lame[0] * logarithm;
        }
        let mut forces = Vec::with_capacity(structure.len());
        for (r, s) in structure.positions.iter().zip(&self.sites) {
            let d = sub(*r, row_times(*s, cell.vectors()));
            for i in 0..3 {
                energy += 0.5 * self.force_constant * d[i] * d[i];
                for j in 0..3 {
                    strain[i][j] += self.force_constant * d[i] * d[j];
                }
            }
            forces.push(d.map(|x| -self.force_constant * x));
        }
        Labels {
            energy,
            forces: Some(forces),
            stress: Some(strain.map(|row| row.map(|x| x / cell.volume()))),
        }
    }

    fn translation_invariant(&self) -> bool {
        self.force_constant == 0.0
    }
}
