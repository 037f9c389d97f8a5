//! Ranks that are threads, for tests.

#![allow(clippy::unwrap_used)]

use super::Peers;
use candle_core::{Result, Tensor};
use std::sync::{Arc, Barrier, Mutex};

/// Threads that put their numbers side by side, and each sums all.
#[derive(Debug, Clone)]
struct Circle {
    rank: usize,
    table: Arc<(Barrier, Mutex<Vec<Vec<f32>>>)>,
}

impl Peers for Circle {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.table.1.lock().unwrap().len()
    }

    fn sum(&self, numbers: &Tensor) -> Result<Tensor> {
        let (barrier, table) = &*self.table;
        table.lock().unwrap()[self.rank] = numbers.to_vec1()?;
        barrier.wait();
        let all = table.lock().unwrap().clone();
        barrier.wait();
        let sum = (0..all[0].len()).map(|n| all.iter().map(|numbers| numbers[n]).sum::<f32>()).collect::<Vec<_>>();
        Tensor::from_vec(sum, numbers.shape(), numbers.device())
    }
}

/// What `count` ranks come to, each in a thread of its own.
pub(crate) fn together<R: Send>(count: usize, work: impl Fn(Box<dyn Peers>) -> R + Sync) -> Vec<R> {
    let table = Arc::new((Barrier::new(count), Mutex::new(vec![Vec::new(); count])));
    std::thread::scope(|scope| {
        let start = |rank| {
            let (table, work) = (table.clone(), &work);
            scope.spawn(move || work(Box::new(Circle { rank, table })))
        };
        let ranks: Vec<_> = (0..count).map(start).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}
