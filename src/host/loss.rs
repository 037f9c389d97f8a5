//! Losses, each one pass forward and one pass back.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use serde::{Deserialize, Serialize};

/// What a network's error costs, per sample d of the difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// |d|, the loss of nearly all small networks.
    #[default]
    L1,
    /// d², what PSNR counts: for the last steps of a run.
    L2,
}

impl Loss {
    /// The cost of `difference` and its derivative.
    pub fn cost(self, difference: f32) -> (f32, f32) {
        match self {
            Self::L1 if difference == 0.0 => (0.0, 0.0),
            Self::L1 => (difference.abs(), difference.signum()),
            Self::L2 => (difference * difference, 2.0 * difference),
        }
    }

    /// The mean cost of `prediction`, two tensors of one shape.
    ///
    /// # Errors
    /// Where the shapes differ or the device fails.
    pub fn mean(self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self {
            Self::L1 => l1(prediction, target),
            Self::L2 => (prediction - target)?.sqr()?.mean_all(),
        }
    }
}

/// Mean absolute error: `Σ |x − t| / n`, with the gradient `sign(x − t) / n` for x and none for the target t.
struct L1;

/// The mean absolute error between `prediction` and `target`, two f32 tensors of one shape.
///
/// # Errors
/// Where the shapes differ or the device fails.
pub fn l1(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    if prediction.shape() != target.shape() {
        bail!("a prediction of {:?} for a target of {:?}", prediction.shape(), target.shape());
    }
    if prediction.device().is_cpu() {
        prediction.contiguous()?.apply_op2(&target.contiguous()?, L1)
    } else {
        (prediction - target.detach())?.abs()?.mean_all()
    }
}

fn samples<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((from, to))) => Ok(&data[from..to]),
        _ => bail!("the loss takes contiguous f32 tensors"),
    }
}

impl CustomOp2 for L1 {
    fn name(&self) -> &'static str {
        "upres-l1"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        t: &CpuStorage,
        t_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, t) = (samples(x, x_layout)?, samples(t, t_layout)?);
        // Partial sums in f32 over short runs, then f64: exact enough for any batch, and the order never changes.
        let runs = x.chunks(1024).zip(t.chunks(1024));
        let sum: f64 = runs.map(|(x, t)| f64::from(x.iter().zip(t).map(|(x, t)| (x - t).abs()).sum::<f32>())).sum();
        Ok((CpuStorage::F32(vec![(sum / x.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, t: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let share = dy.to_scalar::<f32>()? / x.elem_count() as f32;
        let ((x_storage, x_layout), (t_storage, t_layout)) = (x.storage_and_layout(), t.storage_and_layout());
        let (candle_core::Storage::Cpu(xs), candle_core::Storage::Cpu(ts)) = (&*x_storage, &*t_storage) else {
            bail!("the loss's backward pass takes CPU tensors");
        };
        let sign = |(x, t): (&f32, &f32)| match x - t {
            d if d > 0.0 => share,
            d if d < 0.0 => -share,
            _ => 0.0,
        };
        let gradient: Vec<f32> = samples(xs, x_layout)?.iter().zip(samples(ts, t_layout)?).map(sign).collect();
        Ok((Some(Tensor::from_vec(gradient, x.shape(), x.device())?), None))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn value_and_gradient_of_the_mean_absolute_error() {
        let x = Var::new(&[1.0f32, -2.0, 0.5, 3.0], &Device::Cpu).unwrap();
        let t = Tensor::new(&[0.0f32, 0.0, 0.5, 5.0], &Device::Cpu).unwrap();
        let loss = l1(&x, &t).unwrap();
        assert!((loss.to_scalar::<f32>().unwrap() - 1.25).abs() < 1e-7);
        let gradient = (loss * 2.0).unwrap().backward().unwrap();
        assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.5, -0.5, 0.0, -0.5]);
    }
}
