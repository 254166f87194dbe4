//! A proposal surface whose forces derive from no energy, to show that exactness does not depend on them.

use std::sync::Arc;

use crate::linear::{add, scale};
use crate::potential::{Labels, Potential, Workspace};
use crate::structure::Structure;

/// Another potential with a fraction of ẑ × F added to its forces F: their curl vanishes no more, its energy stays.
pub struct Swirl {
    inner: Arc<dyn Potential>,
    fraction: f64,
}

impl Swirl {
    /// Around a potential.
    pub fn new(inner: Arc<dyn Potential>, fraction: f64) -> Self {
        Self { inner, fraction }
    }
}

impl Potential for Swirl {
    fn evaluate(&self, structure: &Structure, workspace: &mut Workspace) -> Labels {
        let mut labels = self.inner.evaluate(structure, workspace);
        for force in labels.forces.iter_mut().flatten() {
            *force = add(*force, scale(self.fraction, [-force[1], force[0], 0.0]));
        }
        labels
    }

    fn translation_invariant(&self) -> bool {
        self.inner.translation_invariant()
    }
}
