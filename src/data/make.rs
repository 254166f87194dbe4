//! New structures from given ones: supercells, random strains and displacements.

use crate::formats::Frame;
use crate::rng::{Purpose, stream};
use crate::run::bootstrap::displaced;
use crate::structure::{Cell, Structure};

/// How structures are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Copies along each lattice vector.
    pub supercell: [usize; 3],
    /// Standard deviation of each Cartesian displacement, Å.
    pub displacement: f64,
    /// Largest component of a random symmetric strain; needs cells that are periodic in all directions.
    pub strain: f64,
    /// Homogeneous strains −s … s in so many steps, isotropic: the cell is scaled by 1 + s, fractional positions kept.
    pub scan: Option<(f64, usize)>,
    /// Structures made of each given one (and of each point of the scan).
    pub count: usize,
    /// The seed.
    pub seed: u64,
}

/// A recipe that does not fit the structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// Strain of a cell that is not periodic everywhere.
    #[error("structure {0} is not periodic in all directions, so its cell cannot be strained")]
    NotPeriodic(usize),
    /// A strain that turns the cell inside out.
    #[error("structure {0}: the strain leaves no valid cell; make it smaller")]
    Collapsed(usize),
}

/// The structures a recipe makes of each frame, in order. Without displacement and random strain one copy is as good as many.
pub fn make(frames: &[Frame], recipe: &Recipe) -> Result<Vec<Frame>, MakeError> {
    let random = recipe.displacement > 0.0 || recipe.strain > 0.0;
    let strained = recipe.strain > 0.0 || recipe.scan.is_some();
    let mut made = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let whole = frame.structure.supercell(recipe.supercell);
        if strained && !whole.cell.is_bulk() {
            return Err(MakeError::NotPeriodic(index));
        }
        for (point, scale) in scales(recipe.scan).into_iter().enumerate() {
            let scaled = scaled(&whole, scale).ok_or(MakeError::Collapsed(index))?;
            for copy in 0..if random { recipe.count } else { 1 } {
                let number = (point * recipe.count + copy) as u64;
                let mut generator = stream(recipe.seed, index as u64, number, Purpose::Bootstrap);
                let structure = displaced(&scaled, recipe.displacement, recipe.strain, &mut generator);
                made.push(Frame::new(structure));
            }
        }
    }
    Ok(made)
}

fn scales(scan: Option<(f64, usize)>) -> Vec<f64> {
    match scan {
        None => vec![1.0],
        Some((strain, points)) if points < 2 => vec![1.0 + strain],
        Some((strain, points)) => (0..points)
            .map(|point| 1.0 + strain * (2.0 * point as f64 / (points - 1) as f64 - 1.0))
            .collect(),
    }
}

fn scaled(structure: &Structure, scale: f64) -> Option<Structure> {
    if scale == 1.0 {
        return Some(structure.clone());
    }
    let vectors = structure
        .cell
        .vectors()
        .map(|vector| vector.map(|component| scale * component));
    let mut copy = structure.clone();
    copy.cell = Cell::new(vectors, structure.cell.periodic()).ok()?;
    for position in &mut copy.positions {
        *position = position.map(|component| scale * component);
    }
    Some(copy)
}
