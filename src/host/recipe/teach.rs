//! The loop: batches made ahead by workers, steps, measurements.

use super::checkpoint::Point;
use super::run::{Costs, Run};
use crate::error::{Error, Result};
use crate::evaluate::Picture;
use crate::geometry::Size;
use crate::host::lpips::Lpips;
use crate::host::photographs::{Patches, Photographs};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// How often the loop looks up from its work.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Steps between two measurements (and two saved checkpoints).
    pub measure: u64,
    /// Photographs that a measurement looks at.
    pub photographs: usize,
    /// Low-resolution side of the middle that it takes of each.
    pub side: usize,
    /// Batches that are made at the same time while a step is taken, at least 1. What is learned does not depend on it.
    pub workers: usize,
}

/// A picture as the run makes it at a measurement: made and original, side by side.
#[derive(Debug)]
pub struct Sample {
    /// The picture.
    pub picture: Picture,
    /// What it shows.
    pub caption: String,
}

/// What the loop tells while it runs.
pub trait Observer {
    /// A step was taken.
    fn step(&mut self, step: u64, costs: &Costs);
    /// A measurement was made: save the run here. Returning `false` ends the loop after it.
    ///
    /// # Errors
    /// What saving reports.
    fn measured(&mut self, run: &Run, samples: Vec<Sample>) -> Result<bool>;
}

/// Trains `run` to its last step on `data`, one set of photographs for each of its scales.
///
/// # Errors
/// Where the loss stops being a number, the device fails or the observer says so.
pub fn teach(
    run: &mut Run,
    data: &[Photographs],
    validation: Option<(&[Photographs], Option<&Lpips>)>,
    rhythm: Rhythm,
    observer: &mut dyn Observer,
) -> Result<()> {
    let (seed, from, steps) = (run.recipe.seed, run.step, run.recipe.steps);
    let (batch, patch, heads) = (run.recipe.batch, run.recipe.patch, run.scales().len() as u64);
    if data.len() as u64 != heads {
        return Err(Error::internal(format!("{} sets of photographs for {heads} scales", data.len())));
    }
    let (share, workers) = (run.peers.share(batch)?, rhythm.workers.max(1));
    thread::scope(|scope| {
        // The workers take turns, and so do their ends: batches come in the steps' order.
        let mut ends = Vec::new();
        for worker in 0..workers {
            let (sender, end) = sync_channel::<Patches>(if workers == 1 { 3 } else { 1 });
            let share = share.clone();
            ends.push(end);
            scope.spawn(move || {
                for step in (from..steps).skip(worker).step_by(workers) {
                    let random = &mut Run::random(seed, step << 1);
                    let patches = data[(step % heads) as usize].share(random, batch, patch, share.clone());
                    // The other end is gone where the loop has ended early.
                    if sender.send(patches).is_err() {
                        return;
                    }
                }
            });
        }
        follow(run, ends, validation, rhythm, observer)
    })
}

fn follow(
    run: &mut Run,
    ends: Vec<Receiver<Patches>>,
    validation: Option<(&[Photographs], Option<&Lpips>)>,
    rhythm: Rhythm,
    observer: &mut dyn Observer,
) -> Result<()> {
    let (mut totals, mut count, mut turns) = (BTreeMap::<&str, f64>::new(), 0u64, ends.iter().cycle());
    while run.step < run.recipe.steps {
        let patches = turns.next().and_then(|end| end.recv().ok());
        let patches = patches.ok_or_else(|| Error::internal("a worker that cuts batches has ended"))?;
        let costs = run.take_step(&patches)?;
        for (name, cost) in &costs {
            *totals.entry(name).or_default() += cost;
        }
        count += 1;
        observer.step(run.step, &costs);
        if run.step.is_multiple_of(rhythm.measure.max(1)) || run.step == run.recipe.steps {
            run.sound()?;
            let mut values: BTreeMap<String, f32> =
                totals.iter().map(|(name, total)| ((*name).to_string(), (total / count as f64) as f32)).collect();
            (totals, count) = (BTreeMap::new(), 0);
            let mut samples = Vec::new();
            if let Some((photographs, lpips)) = validation {
                let (scores, seen) = measure(run, photographs, lpips, rhythm)?;
                values.extend(scores);
                samples = seen;
            }
            run.history.push(Point { step: run.step, values });
            run.agree()?;
            if !observer.measured(run, samples)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Pictures shown of a measurement.
const SHOWN: usize = 3;

/// Mean PSNR on studio luma (`psnr`, dB, a border of r pixels cut) and LPIPS (`lpips`) of the averaged weights on the middles
/// of the first photographs, of LPIPS those that are large enough for it; with several scales, of the last one.
fn measure(
    run: &Run,
    photographs: &[Photographs],
    lpips: Option<&Lpips>,
    rhythm: Rhythm,
) -> Result<(BTreeMap<String, f32>, Vec<Sample>)> {
    let weights = run.average_tensors()?;
    let last = photographs.len().saturating_sub(1);
    let (_, head) = run.head(last as u64);
    let data = &photographs[last];
    let count = rhythm.photographs.clamp(1, data.len());
    let (mut psnr, mut distances, mut samples) = (0.0, Vec::new(), Vec::new());
    for n in 0..count {
        let (made, real) = run.show(&weights, &data.middle(n, rhythm.side), head)?;
        if let Some(lpips) = lpips.filter(|_| real.dims().iter().rev().take(2).all(|&side| side >= Lpips::SIDE)) {
            distances.push(f64::from(lpips.distance(&made, &real)?.to_scalar::<f32>()?));
        }
        let (made, real) = (picture(&made)?, picture(&real)?);
        psnr += crate::evaluate::score(&made, &real, head.scale)?.psnr_y.min(100.0);
        if n < SHOWN {
            let caption = format!("x{}, photograph {}: made and original", head.scale, n + 1);
            samples.push(Sample { picture: beside(&made, &real), caption });
        }
    }
    let mut scores = BTreeMap::from([("psnr".to_string(), (psnr / count as f64) as f32)]);
    if !distances.is_empty() {
        scores.insert("lpips_metric".to_string(), (distances.iter().sum::<f64>() / distances.len() as f64) as f32);
    }
    Ok((scores, samples))
}

/// The first picture of a batch `[1, 3, height, width]` of 0..1.
fn picture(tensor: &Tensor) -> Result<Picture> {
    let (_, _, height, width) = tensor.dims4()?;
    let planes: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
    let (size, area) = (Size::new(width, height), width * height);
    let sample = |i: usize| (planes[i % 3 * area + i / 3] * 255.0).round().clamp(0.0, 255.0) as u8;
    Ok(Picture { size, rgb: (0..3 * area).map(sample).collect() })
}

/// Two pictures of one size, side by side.
fn beside(left: &Picture, right: &Picture) -> Picture {
    let stride = left.size.width * 3;
    let rows = left.rgb.chunks_exact(stride).zip(right.rgb.chunks_exact(stride));
    let rgb = rows.flat_map(|(left, right)| left.iter().chain(right)).copied().collect();
    Picture { size: Size::new(2 * left.size.width, left.size.height), rgb }
}
