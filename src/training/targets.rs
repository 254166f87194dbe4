//! What the linear path and the networks are fitted to.

use super::frame::Frame;
use super::report::Predicted;

/// What the linear path is fitted to: the labels, less what the networks already explain.
pub(super) struct Targets {
    /// One per frame, eV.
    pub energies: Vec<f64>,
    /// 3N per frame, or none.
    pub forces: Vec<Vec<f64>>,
    /// Six per frame, or none.
    pub virials: Vec<Vec<f64>>,
}

/// Targets less what is already explained.
pub(super) fn less(targets: &Targets, explained: &[Predicted]) -> Targets {
    let difference = |target: &Vec<f64>, part: &Vec<f64>| -> Vec<f64> {
        if part.is_empty() {
            return target.clone();
        }
        target.iter().zip(part).map(|(t, p)| t - p).collect()
    };
    let energies = targets
        .energies
        .iter()
        .zip(explained)
        .map(|(t, p)| t - p.energy)
        .collect();
    let forces = targets
        .forces
        .iter()
        .zip(explained)
        .map(|(t, p)| difference(t, &p.forces))
        .collect();
    let virials = targets
        .virials
        .iter()
        .zip(explained)
        .map(|(t, p)| difference(t, &p.virial))
        .collect();
    Targets {
        energies,
        forces,
        virials,
    }
}

/// The labels as targets.
pub(super) fn labels(frames: &[Frame]) -> Targets {
    Targets {
        energies: frames.iter().map(|frame| frame.energy).collect(),
        forces: frames.iter().map(|frame| frame.forces.clone()).collect(),
        virials: frames.iter().map(|frame| frame.virial.clone()).collect(),
    }
}

/// Divides targets by the root mean square of the forces to learn (of energies over √N where there are no forces), which it
/// returns.
pub(super) fn normalise(targets: &mut Targets, frames: &[Frame], train: &[usize]) -> f64 {
    let (mut square, mut count) = (0.0, 0.0);
    for frame in train {
        square += targets.forces[*frame].iter().map(|f| f * f).sum::<f64>();
        count += targets.forces[*frame].len() as f64;
    }
    if count == 0.0 {
        for frame in train {
            square += targets.energies[*frame].powi(2) / frames[*frame].atoms as f64;
            count += 1.0;
        }
    }
    let scale = (square / f64::max(count, 1.0)).sqrt();
    let scale = if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
    let groups = targets.forces.iter_mut().chain(&mut targets.virials).flatten();
    for number in groups.chain(&mut targets.energies) {
        *number /= scale;
    }
    scale
}
