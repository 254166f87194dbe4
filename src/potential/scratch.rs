//! Scratch space that threads reuse from block to block of atoms.

use std::cell::RefCell;

use crate::descriptor::AtomCache;
use crate::linear::Vec3;

thread_local! {
    /// A thread's own: structures that are evaluated one by one need no memory of their own, which would be fetched from the
    /// system and given back each time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What one thread reuses from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub caches: Vec<AtomCache>,
    pub gradients: Vec<Vec3>,
    pub network: Vec<f64>,
}

/// Lends the thread's scratch space, or new one to whoever asks while it is lent.
pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::default()),
    })
}
