//! Scratch space that threads reuse from block to block of atoms.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::descriptor::AtomCache;
use crate::linear::Vec3;

/// What one thread reuses from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub caches: Vec<AtomCache>,
    pub gradients: Vec<Vec3>,
    pub network: Vec<f64>,
}

/// Scratch space for as many threads as work at once.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    pub fn take(&self) -> Scratch {
        self.lock().pop().unwrap_or_default()
    }

    pub fn give(&self, scratch: Scratch) {
        self.lock().push(scratch);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // Whatever a thread that panicked left is scratch all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
