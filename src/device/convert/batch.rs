//! Many pictures: several at once, each told of when it ends.

use super::item::{Item, Outcome};
use super::single::Converter;
use crate::atomic;
use crate::error::Kind;
use crate::geometry::Size;
use crate::progress::Progress;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One picture's end.
#[derive(Debug)]
pub struct Report<'a> {
    /// Which picture.
    pub item: &'a Item,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
    /// What of the item's weight was never counted by [`Progress::advance`], because the picture ended early.
    pub rest: u64,
}

/// Someone who watches a batch. Progress is counted in [`Item::weight`].
pub trait Watcher: Progress {
    /// A picture has ended; called from any thread.
    fn ended(&self, report: &Report<'_>);
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pictures enlarged.
    pub done: usize,
    /// Pictures whose output was there already.
    pub skipped: usize,
    /// Pictures that could not be enlarged.
    pub failed: usize,
    /// Pictures not begun or not ended because the work was interrupted.
    pub left: usize,
}

/// Enlarges every item, several at once; a bad one is reported and the rest goes on. What earlier runs that were killed
/// left half-written beside the outputs is removed first.
pub fn run(converter: &Converter, items: &[Item], watcher: &dyn Watcher) -> Summary {
    sweep(items);
    let (threads, jobs) = (converter.options().threads.max(1), converter.options().jobs.max(1));
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary { left: items.len(), ..Summary::default() });
    let work = || {
        while !watcher.stopped() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            // The last pictures share the threads of those that have ended.
            let beside = jobs.min(items.len() - index);
            let report = convert(converter, item, (threads / beside).max(1), watcher);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            match &report.outcome {
                Outcome::Done(_) => summary.done += 1,
                Outcome::Skipped => summary.skipped += 1,
                Outcome::Failed(error) if error.kind() == Kind::Interrupted => continue,
                Outcome::Failed(_) => summary.failed += 1,
            }
            summary.left -= 1;
            drop(summary);
            watcher.ended(&report);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(items.len()) {
            scope.spawn(work);
        }
        work();
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn sweep(items: &[Item]) {
    let folders: BTreeSet<&Path> = items.iter().filter_map(|item| item.output.parent()).collect();
    for folder in folders.into_iter().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        // A folder that is not there yet, or cannot be read, has nothing to sweep.
        if let Ok(count @ 1..) = atomic::sweep(folder) {
            log::info!("{count} unfinished files of an earlier run removed from {}", folder.display());
        }
    }
}

fn convert<'a>(converter: &Converter, item: &'a Item, threads: usize, watcher: &dyn Watcher) -> Report<'a> {
    let begin = Instant::now();
    let counted = AtomicU64::new(0);
    let watch = |size: Size| Share {
        watcher,
        weight: item.weight,
        pixels: (size.area() as u64).max(1),
        seen: AtomicU64::new(0),
        counted: &counted,
    };
    let outcome = converter.convert(item, threads, watch);
    let rest = item.weight.saturating_sub(counted.load(Ordering::Relaxed));
    Report { item, outcome, time: begin.elapsed(), rest }
}

/// Turns one picture's pixels into its share of the batch's weight.
struct Share<'a> {
    watcher: &'a dyn Watcher,
    weight: u64,
    pixels: u64,
    seen: AtomicU64,
    counted: &'a AtomicU64,
}

impl Progress for Share<'_> {
    fn advance(&self, amount: u64) {
        let before = self.seen.fetch_add(amount, Ordering::Relaxed);
        let weighed = |pixels: u64| (u128::from(self.weight) * u128::from(pixels) / u128::from(self.pixels)) as u64;
        let share = weighed(before + amount) - weighed(before);
        self.counted.fetch_add(share, Ordering::Relaxed);
        self.watcher.advance(share);
    }

    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }
}
