//! The training loop: batch, forward, loss, backward, Adam; measured now and then, saved now and then.

use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::host::chain::Chain;
use crate::host::checkpoint::{Point, Run};
use crate::host::dataset::Dataset;
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};

use rayon::prelude::*;

/// How often the loop looks up from its work.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Steps between two measurements (and two saved checkpoints).
    pub measure: u64,
}

/// What the loop tells while it runs.
pub trait Observer {
    /// A step was taken; `loss` is its mean cost.
    fn step(&mut self, step: u64, loss: f64);
    /// A measurement was made: save the run here. Returning `false` ends the loop after it.
    fn measured(&mut self, run: &Run) -> Result<bool>;
}

/// Trains `run` to its last step.
///
/// # Errors
/// Where the device fails, the loss stops being a number, or the observer says so.
pub fn train(
    run: &mut Run,
    data: &Dataset,
    validation: Option<&Dataset>,
    rhythm: Rhythm,
    observer: &mut dyn Observer,
) -> Result<()> {
    let (mut total, mut count) = (0.0, 0u64);
    while run.adam.step < run.recipe.steps {
        let loss = step(run, data)?;
        if !loss.is_finite() {
            return Err(Error::input(format!("the loss is no number any more at step {}", run.adam.step))
                .fix("lower the learning rate, or lengthen its warm-up"));
        }
        total += loss;
        count += 1;
        observer.step(run.adam.step, loss);
        if run.adam.step.is_multiple_of(rhythm.measure.max(1)) || run.adam.step == run.recipe.steps {
            let psnr = validation.map(|v| Ok::<_, Error>(psnr(&run.averaged()?.merge()?, v) as f32)).transpose()?;
            run.history.push(Point { step: run.adam.step, loss: (total / count as f64) as f32, psnr });
            (total, count) = (0.0, 0);
            if !observer.measured(run)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// One step; returns its loss.
fn step(run: &mut Run, data: &Dataset) -> Result<f64> {
    let recipe = &run.recipe;
    let batch = data.batch(&mut run.random, recipe.batch, recipe.patch);
    // The pixel shuffle permutes, and a mean does not mind: the loss is taken before it.
    let loss = run.net.loss(batch, recipe.patch, recipe.loss)?;
    let gradients = loss.backward()?;
    let rate = recipe.rate * recipe.schedule.share(run.adam.step, recipe.steps, recipe.warm_up);
    run.adam.update(run.net.variables().map(|(_, var)| var), &gradients, rate)?;
    Ok(f64::from(loss.to_scalar::<f32>()?))
}

/// Mean PSNR of `chain` over the pairs in dB, on studio-range luma with a border of r pixels cut, not rounded to 8 bits:
/// for choosing between weights. Scores to report come from `evaluate`.
pub fn psnr(chain: &Chain, pairs: &Dataset) -> f64 {
    let each = pairs.pairs().par_iter().map(|pair| {
        let (low, high) = (pair.low(), pair.high());
        let border = chain.scale;
        let out = enlarge(chain, &low);
        let (mut sum, mut count) = (0.0, 0u64);
        for y in border..high.size.height.saturating_sub(border) {
            for x in border..high.size.width.saturating_sub(border) {
                let error = (out.row(y)[x].clamp(0.0, 1.0) - high.row(y)[x]) * 219.0;
                sum += f64::from(error * error);
                count += 1;
            }
        }
        10.0 * (255.0 * 255.0 / (sum / count.max(1) as f64).max(1e-9)).log10()
    });
    // Summed in the pairs' order, so that a repeated run chooses the same weights.
    each.collect::<Vec<f64>>().iter().sum::<f64>() / pairs.pairs().len() as f64
}

/// `chain` run over a whole plane by the training kernels.
pub fn enlarge(chain: &Chain, low: &Plane) -> Plane {
    let (size, r) = (low.size, chain.scale);
    let kernel = Conv::new(Level::best(), 3, size.width, size.height);
    let (mut sheet, mut scratch) = (Sheet::default(), Vec::new());
    let mut x = low.data.clone();
    for (i, layer) in chain.layers.iter().enumerate() {
        let packed = Packed::new(&layer.weight, layer.outputs, layer.inputs, 3);
        kernel.lay(&x, None, layer.inputs, &mut sheet);
        x = vec![0.0; layer.outputs * size.area()];
        kernel.forward(&sheet, &packed, &layer.bias, i + 1 < chain.layers.len(), &mut scratch, &mut x);
    }
    let base = crate::resample::resize(
        low,
        crate::geometry::Size::new(size.width * r, size.height * r),
        crate::resample::Filter::Bilinear,
    );
    Plane::from_fn(base.size, |fx, fy| {
        let phase = (fy % r) * r + fx % r;
        base.row(fy)[fx] + x[phase * size.area() + (fy / r) * size.width + fx / r]
    })
}
