//! The queue between the driver and the workers: each chain stays with one worker while that worker lives.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A request in the queue.
#[derive(Debug)]
pub(super) struct Queued<T> {
    /// The chain whose requests stay with one worker; `None`: any worker.
    pub chain: Option<usize>,
    /// Workers that have tried in vain.
    pub tried: BTreeSet<usize>,
    /// The request.
    pub request: T,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<Queued<T>>,
    alive: BTreeSet<usize>,
    closed: bool,
    cancelled: bool,
}

/// Requests that wait for a worker.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    workers: usize,
}

impl<T> Queue<T> {
    /// An empty queue for so many workers, all alive.
    pub fn new(workers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                alive: (0..workers).collect(),
                closed: false,
                cancelled: false,
            }),
            changed: Condvar::new(),
            workers,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing is left half done under this lock, so a panic elsewhere has not spoilt it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; gives it back if no worker is left that has not tried it.
    pub fn push(&self, queued: Queued<T>) -> Result<(), Queued<T>> {
        let mut state = self.lock();
        if state.closed || state.alive.is_subset(&queued.tried) {
            return Err(queued);
        }
        state.waiting.push_back(queued);
        self.changed.notify_all();
        Ok(())
    }

    /// The next request for a worker; waits for one. `None` once the queue is closed and holds nothing for it.
    pub fn pop(&self, worker: usize) -> Option<Queued<T>> {
        let mut state = self.lock();
        loop {
            if state.cancelled {
                state.waiting.clear();
            }
            let mine = (0..state.waiting.len()).find(|index| {
                let queued = &state.waiting[*index];
                !queued.tried.contains(&worker) && self.belongs(queued, worker, &state.alive)
            });
            if let Some(index) = mine {
                return state.waiting.remove(index);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A chain's worker is the one its number falls on; where that one is gone or has tried in vain, the next one.
    fn belongs(&self, queued: &Queued<T>, worker: usize, alive: &BTreeSet<usize>) -> bool {
        let Some(chain) = queued.chain else {
            return true;
        };
        (0..self.workers)
            .map(|offset| (chain + offset) % self.workers)
            .find(|candidate| alive.contains(candidate) && !queued.tried.contains(candidate))
            .is_some_and(|owner| owner == worker)
    }

    /// Takes a worker out. Gives how many are left and the requests that nobody is left for.
    pub fn retire(&self, worker: usize) -> (usize, Vec<Queued<T>>) {
        let mut state = self.lock();
        state.alive.remove(&worker);
        let waiting = std::mem::take(&mut state.waiting);
        let (stay, orphaned) = waiting
            .into_iter()
            .partition(|queued| !state.alive.is_subset(&queued.tried));
        state.waiting = stay;
        self.changed.notify_all();
        (state.alive.len(), orphaned.into())
    }

    /// Whether any worker other than this one is alive and has not tried.
    pub fn another(&self, worker: usize, tried: &BTreeSet<usize>) -> bool {
        self.lock()
            .alive
            .iter()
            .any(|other| *other != worker && !tried.contains(other))
    }

    /// No more requests come; the workers end when they have done what is there.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Drops what waits and wakes who sleeps.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Wakes who sleeps or waits, to look around.
    pub fn wake(&self) {
        // Whoever is about to wait holds the lock from its look to its sleep.
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Sleeps, but not past a cancellation or the moment from which `until` holds, as [`Self::wake`] tells.
    pub fn sleep(&self, duration: Duration, until: impl Fn() -> bool) {
        let end = Instant::now() + duration;
        let mut state = self.lock();
        while !state.cancelled && !until() {
            let Some(left) = end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
