//! Several GPUs of one machine that learn one network: each goes back from its share of every batch, and the gradients are
//! averaged before each takes the same step.
//!
//! A rank is a process (a thread in tests) with a GPU, its own copy of the weights and of the optimiser. All ranks draw the same
//! random numbers and cut their share of the same batch, so a run does not depend on how many there are, but for rounding
//! and for what is averaged within a share: batch normalisation, and the means of a relativistic game.

use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use std::fmt::Debug;
use std::ops::Range;

#[cfg(feature = "nccl")]
mod nccl;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(feature = "nccl")]
pub use nccl::Nccl;

/// Ranks that learn one network, as one of them sees them. Every rank must call the same functions in the same order.
pub trait Peers: Debug {
    /// Which one this is, from 0. Rank 0 measures, prints and writes.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// The sum of all ranks' `numbers`, `[len]` f32, the same bits on each.
    ///
    /// # Errors
    /// Where a rank or a device fails.
    fn sum(&self, numbers: &Tensor) -> candle_core::Result<Tensor>;
}

/// Nobody else.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Peers for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn sum(&self, numbers: &Tensor) -> candle_core::Result<Tensor> {
        Ok(numbers.clone())
    }
}

/// The part of a batch of `batch` that is number `rank` of `count`, all equal.
///
/// # Errors
/// A usage error where they cannot be.
pub fn share(batch: usize, rank: usize, count: usize) -> Result<Range<usize>> {
    if count == 0 || !batch.is_multiple_of(count) {
        return Err(Error::usage(format!("a batch of {batch} cannot be shared evenly by {count} GPUs"))
            .fix("give a batch that is a multiple of their number"));
    }
    let share = batch / count;
    Ok(rank * share..(rank + 1) * share)
}

impl dyn Peers + '_ {
    /// This rank's part of a batch of `batch`.
    ///
    /// # Errors
    /// A usage error where the ranks cannot share it evenly.
    pub fn share(&self, batch: usize) -> Result<Range<usize>> {
        share(batch, self.rank(), self.count())
    }

    /// The means of each of `tensors` over all ranks, by one sum. Alone, they stay as they are.
    ///
    /// # Errors
    /// Where a rank or a device fails.
    pub fn mean(&self, tensors: Vec<Tensor>) -> candle_core::Result<Vec<Tensor>> {
        if self.count() == 1 || tensors.is_empty() {
            return Ok(tensors);
        }
        let flat = tensors.iter().map(Tensor::flatten_all).collect::<candle_core::Result<Vec<_>>>()?;
        let mean = (self.sum(&Tensor::cat(&flat, 0)?)? / self.count() as f64)?;
        let mut start = 0;
        let each = tensors.iter().map(|tensor| {
            let part = mean.narrow(0, start, tensor.elem_count())?.reshape(tensor.shape())?;
            start += tensor.elem_count();
            Ok(part)
        });
        each.collect()
    }

    /// The mean of a number over all ranks.
    ///
    /// # Errors
    /// Where a rank or a device fails.
    pub fn mean_number(&self, number: &Tensor) -> candle_core::Result<f64> {
        let mean = self.mean(vec![number.clone()])?;
        mean.first().map_or(Ok(0.0), |mean| mean.to_scalar::<f32>().map(f64::from))
    }

    /// Replaces the gradients of `variables`, where there are any, by their means over all ranks.
    ///
    /// # Errors
    /// Where a rank or a device fails.
    pub fn average<'a>(
        &self,
        gradients: &mut GradStore,
        variables: impl Iterator<Item = &'a Var>,
    ) -> candle_core::Result<()> {
        if self.count() == 1 {
            return Ok(());
        }
        let (with, own): (Vec<&Var>, Vec<Tensor>) =
            variables.filter_map(|var| gradients.remove(var).map(|gradient| (var, gradient))).unzip();
        for (var, mean) in with.into_iter().zip(self.mean(own)?) {
            gradients.insert(var, mean);
        }
        Ok(())
    }

    /// Checks that `state`, the bytes of all that the next step depends on, is the same on every rank, by sums taken on
    /// `device`. Alone, it is not asked for.
    ///
    /// # Errors
    /// An internal error, on every rank, where it is not; those of `state`.
    pub fn agree(&self, device: &Device, state: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
        if self.count() == 1 {
            return Ok(());
        }
        let digest = crate::session::digest(&state()?);
        let sum = |numbers: Vec<f32>| -> Result<Vec<f32>> {
            let len = numbers.len();
            Ok(self.sum(&Tensor::from_vec(numbers, len, device)?)?.to_vec1()?)
        };
        let own: Vec<f32> = digest.bytes().map(f32::from).collect();
        // Sums of bytes are exact. Where ranks differ, at least one differs from the mean, and tells the others.
        let count = self.count() as f32;
        let strange = own.iter().zip(sum(own.clone())?).any(|(own, sum)| (own * count - sum).abs() > 0.5);
        if sum(vec![f32::from(u8::from(strange))])?[0] > 0.0 {
            return Err(Error::internal("the GPUs' weights have come apart")
                .fix("go on from the checkpoint with --resume; if it happens again, train on one GPU"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::together;
    use super::*;

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn means_shares_and_disagreement() {
        let seen = together(3, |peers| {
            let rank = peers.rank();
            assert_eq!(peers.share(6).unwrap(), 2 * rank..2 * rank + 2);
            assert!(peers.share(7).unwrap_err().to_string().contains("multiple"));
            let square = tensor(&[1.0, 2.0, 3.0, rank as f32]).reshape((2, 2)).unwrap();
            let means = peers.mean(vec![square, tensor(&[10.0 * rank as f32])]).unwrap();
            assert_eq!((means[0].dims(), means[1].to_vec1::<f32>().unwrap()), (&[2, 2][..], vec![10.0]));
            peers.agree(&Device::Cpu, || Ok(vec![7])).unwrap();
            assert!(peers.agree(&Device::Cpu, || Ok(vec![u8::from(rank == 1)])).is_err());
            means[0].flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        assert!(seen.iter().all(|means| means == &[1.0, 2.0, 3.0, 1.0]), "{seen:?}");
    }

    #[test]
    fn gradients_are_averaged_where_there_are_any() {
        let seen = together(2, |peers| {
            let vars = [Var::from_tensor(&tensor(&[1.0, 2.0])).unwrap(), Var::from_tensor(&tensor(&[5.0])).unwrap()];
            let cost = (vars[0].sqr().unwrap() * (peers.rank() as f64 + 1.0)).unwrap().sum_all().unwrap();
            let mut gradients = cost.backward().unwrap();
            peers.average(&mut gradients, vars.iter()).unwrap();
            assert!(gradients.get(&vars[1]).is_none());
            gradients.get(&vars[0]).unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(seen, [[3.0, 6.0], [3.0, 6.0]]);
    }
}
