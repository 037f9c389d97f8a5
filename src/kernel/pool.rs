//! Threads that wait for work that is lent to them: started once, woken for every frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What every thread calls with its number.
type Work = dyn Fn(usize) + Sync;

/// Turns of waiting before a thread goes to sleep: some tens of microseconds, in which the next frame often comes.
const TURNS: usize = 4000;

/// Threads, of which the caller is one.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    /// Counts the calls of [`Pool::run`]; changes under the lock.
    call: AtomicUsize,
    /// Threads that still work on the call.
    busy: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    work: Option<Lent>,
    stop: bool,
    crashed: bool,
}

/// A reference whose lifetime [`Pool::run`] vouches for.
#[derive(Clone, Copy)]
struct Lent(*const Work);

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lent")
    }
}

// SAFETY: what is pointed at is Sync, and `Pool::run` does not return before every thread is done with it.
unsafe impl Send for Lent {}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// `count` threads in all, the caller's among them; the others are called `name-1`, `name-2` and so on.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn new(name: &str, count: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut pool = Self { shared, threads: Vec::new() };
        for number in 1..count {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            pool.threads.push(thread.spawn(move || serve(&shared, number))?);
        }
        Ok(pool)
    }

    /// Threads in all.
    pub fn count(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `work` once on every thread, with 0 to `count − 1`, and returns when all have come back. `false` where one of
    /// them panicked.
    pub fn run(&mut self, work: &(dyn Fn(usize) + Sync)) -> bool {
        let crashed_here = if self.threads.is_empty() {
            catch_unwind(AssertUnwindSafe(|| work(0))).is_err()
        } else {
            let shared = &self.shared;
            {
                let mut state = shared.lock();
                // SAFETY: only the lifetime changes. The reference is taken back below, after the last thread is done with
                // it, and nothing in between can unwind.
                let lent = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static Work>(work) };
                state.work = Some(Lent(std::ptr::from_ref(lent)));
                shared.busy.store(self.threads.len(), Ordering::Release);
                shared.call.fetch_add(1, Ordering::Release);
                shared.wake.notify_all();
            }
            let crashed = catch_unwind(AssertUnwindSafe(|| work(0))).is_err();
            wait(|| shared.busy.load(Ordering::Acquire) == 0);
            let mut state = shared.lock();
            while shared.busy.load(Ordering::Acquire) > 0 {
                state = shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.work = None;
            crashed
        };
        let crashed_there = std::mem::take(&mut self.shared.lock().crashed);
        !(crashed_here || crashed_there)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.call.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread catches what its work panics with.
            let _ = thread.join();
        }
    }
}

/// Looks a while whether `ready`.
fn wait(ready: impl Fn() -> bool) {
    for _ in 0..TURNS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
}

fn serve(shared: &Shared, number: usize) {
    let mut seen = 0;
    loop {
        wait(|| shared.call.load(Ordering::Acquire) != seen);
        let work = {
            let mut state = shared.lock();
            while shared.call.load(Ordering::Acquire) == seen && !state.stop {
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return;
            }
            seen = shared.call.load(Ordering::Acquire);
            state.work
        };
        let Some(Lent(work)) = work else { continue };
        // SAFETY: `Pool::run` waits for this thread before the reference ends.
        let crashed = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)(number) })).is_err();
        if crashed {
            shared.lock().crashed = true;
        }
        if shared.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, lest the caller go to sleep between looking and waiting.
            let _state = shared.lock();
            shared.done.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_thread_works_once_a_call_and_the_caller_waits_for_all() {
        for count in [1, 2, 5] {
            let mut pool = Pool::new("test", count).unwrap();
            for round in 0..200 {
                let hits: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                assert!(pool.run(&|number| {
                    if round % 50 == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(number as u64));
                    }
                    hits[number].fetch_add(1, Ordering::Relaxed);
                }));
                assert!(hits.iter().all(|hits| hits.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_on_any_thread_is_told_and_the_pool_goes_on() {
        let mut pool = Pool::new("test", 3).unwrap();
        for bad in 0..3 {
            assert!(!pool.run(&|number| assert!(number != bad, "on purpose")));
            assert!(pool.run(&|_| {}));
        }
    }
}
