//! The training loop: batch, forward, loss, backward, Adam; measured now and then, saved now and then.

use crate::error::{Error, Result};
use crate::host::calibrate::closeness;
use crate::host::chain::{Chain, Maps, assemble};
use crate::host::checkpoint::{Point, Run};
use crate::host::dataset::{Batch, Dataset};
use crate::host::random::Random;
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};

use rayon::prelude::*;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

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
    /// The last measurement shows a network that cannot learn, or does not.
    fn alarm(&mut self, what: &str);
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
    let share = run.peers.share(run.recipe.batch)?;
    if run.net.device().is_cpu() {
        // The batch and the step are computed by the same cores: neither could be ahead of the other.
        return follow(run, &Batches::Now(data, share), data, validation, rhythm, observer);
    }
    ahead(run, share, data, validation, rhythm, observer)
}

/// Where batches come from.
enum Batches<'a> {
    /// Cut when they are asked for.
    Now(&'a Dataset, Range<usize>),
    /// From a worker that cuts the next ones while a GPU learns, each with the random stream as it stands after it.
    Ahead(Receiver<(Batch, Random)>),
}

impl Batches<'_> {
    fn next(&self, run: &mut Run) -> Result<Batch> {
        match self {
            Self::Now(data, share) => {
                Ok(data.share(&mut run.random, run.recipe.batch, run.recipe.patch, share.clone()))
            }
            Self::Ahead(batches) => {
                let received = batches.recv().map_err(|_| Error::internal("the worker that cuts batches has ended"))?;
                run.random = received.1;
                Ok(received.0)
            }
        }
    }
}

/// Trains on batches that a worker cuts ahead.
fn ahead(
    run: &mut Run,
    share: Range<usize>,
    data: &Dataset,
    validation: Option<&Dataset>,
    rhythm: Rhythm,
    observer: &mut dyn Observer,
) -> Result<()> {
    let (left, batch, patch) = (run.recipe.steps.saturating_sub(run.adam.step), run.recipe.batch, run.recipe.patch);
    let mut random = run.random.clone();
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(4);
        scope.spawn(move || {
            for _ in 0..left {
                let batch = data.share(&mut random, batch, patch, share.clone());
                // The other end is gone where the loop has ended early.
                if sender.send((batch, random.clone())).is_err() {
                    return;
                }
            }
        });
        follow(run, &Batches::Ahead(batches), data, validation, rhythm, observer)
    })
}

fn follow(
    run: &mut Run,
    batches: &Batches,
    data: &Dataset,
    validation: Option<&Dataset>,
    rhythm: Rhythm,
    observer: &mut dyn Observer,
) -> Result<()> {
    let base = validation.map(|pairs| psnr(&Chain::nothing(run.recipe.shape.scale), pairs));
    let (mut total, mut count) = (0.0, 0u64);
    while run.adam.step < run.recipe.steps {
        let batch = batches.next(run)?;
        let loss = step(run, batch)?;
        if !loss.is_finite() {
            return Err(lost("the loss is no number", run));
        }
        total += loss;
        count += 1;
        observer.step(run.adam.step, loss);
        if run.adam.step.is_multiple_of(rhythm.measure.max(1)) || run.adam.step == run.recipe.steps {
            let average = run.averaged()?.merge()?;
            // A gradient without bound leaves such weights behind a loss that still was a number.
            if !average.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias)).all(|w| w.is_finite()) {
                return Err(lost("the weights are no numbers", run));
            }
            run.history.push(Point {
                step: run.adam.step,
                loss: (total / count as f64) as f32,
                psnr: validation.map(|pairs| psnr(&average, pairs) as f32),
                alive: self::count(&alive(&average, validation.unwrap_or(data))),
            });
            (total, count) = (0.0, 0);
            run.agree()?;
            if let Some(what) = trouble(run, base) {
                observer.alarm(&what);
            }
            if !observer.measured(run)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn lost(what: &str, run: &Run) -> Error {
    Error::input(format!("{what} any more at step {}", run.adam.step))
        .fix("go on from the checkpoint with a lower learning rate, or lengthen its warm-up")
}

/// One step; returns its loss.
fn step(run: &mut Run, batch: Batch) -> Result<f64> {
    let recipe = &run.recipe;
    // The pixel shuffle permutes, and a mean does not mind: the loss is taken before it.
    let loss = run.net.loss(batch, recipe.patch, recipe.loss, recipe.precision)?;
    let mut gradients = loss.backward()?;
    run.peers.average(&mut gradients, run.net.variables().map(|(_, var)| var))?;
    let rate = recipe.rate * recipe.schedule.share(run.adam.step, recipe.steps, recipe.warm_up);
    run.adam.update(run.net.variables().map(|(_, var)| var), &gradients, rate)?;
    Ok(run.peers.mean_number(&loss)?)
}

/// What is wrong with the network after the last measurement: most of a layer dead, or no gain over `base`, the score
/// without any network, once the rate has passed its warm-up.
fn trouble(run: &Run, base: Option<f64>) -> Option<String> {
    let point = run.history.last()?;
    let dying = point.alive.iter().position(|&alive| 2 * alive < run.recipe.shape.channels);
    if let Some(layer) = dying {
        let (alive, channels) = (point.alive[layer], run.recipe.shape.channels);
        return Some(format!("only {alive} of {channels} channels of layer {layer} ever answer"));
    }
    let stalled = point.step > 2 * run.recipe.warm_up && f64::from(point.psnr?) < base? + 0.05;
    stalled.then(|| format!("no better than bilinear enlargement after {} steps", point.step))
}

/// Mean [`closeness`] in dB of what `chain` makes of the pairs, a border of r pixels cut.
pub fn psnr(chain: &Chain, pairs: &Dataset) -> f64 {
    let each = pairs.pairs().par_iter().map(|pair| {
        let [low, high] = [pair.low(), pair.high()].map(|plane| Maps::from_plane(&plane));
        closeness(&enlarge(chain, &low), &high, chain.scale)
    });
    // Summed in the pairs' order, so that a repeated run chooses the same weights.
    each.collect::<Vec<f64>>().iter().sum::<f64>() / pairs.pairs().len() as f64
}

/// `chain` run over a whole picture by the training kernels.
pub fn enlarge(chain: &Chain, low: &Maps<f32>) -> Maps<f32> {
    assemble(low, &Maps::from_samples(low.size, &residual(chain, low, |_| ())), chain.scale)
}

/// The last layer's r² maps a plane; `observe` sees every hidden layer's.
fn residual(chain: &Chain, low: &Maps<f32>, mut observe: impl FnMut(&[f32])) -> Vec<f32> {
    let kernel = Conv::new(Level::best(), 3, low.size.width, low.size.height);
    let (mut sheet, mut scratch) = (Sheet::default(), Vec::new());
    let mut x = low.samples();
    for (i, layer) in chain.layers.iter().enumerate() {
        let packed = Packed::new(&layer.weight, layer.outputs, layer.inputs, 3);
        let hidden = i + 1 < chain.layers.len();
        kernel.lay(&x, None, layer.inputs, &mut sheet);
        x = vec![0.0; layer.outputs * low.size.area()];
        kernel.forward(&sheet, &packed, &layer.bias, hidden, &mut scratch, &mut x);
        if hidden {
            observe(&x);
        }
    }
    x
}

/// For every hidden layer, which of its channels are alive: positive somewhere on the first few pairs. A ReLU that never
/// answers gets no gradient and seldom comes back.
pub fn alive(chain: &Chain, pairs: &Dataset) -> Vec<Vec<bool>> {
    const PAIRS: usize = 4;
    let mut lives: Vec<Vec<bool>> = chain.layers.iter().map(|layer| vec![false; layer.outputs]).collect();
    lives.pop();
    for pair in pairs.pairs().iter().take(PAIRS) {
        let low = Maps::from_plane(&pair.low());
        let mut layers = lives.iter_mut();
        residual(chain, &low, |maps| {
            for (alive, map) in layers.next().into_iter().flatten().zip(maps.chunks_exact(low.size.area())) {
                *alive |= map.iter().any(|&value| value > 0.0);
            }
        });
    }
    lives
}

/// How many are alive in each layer.
fn count(alive: &[Vec<bool>]) -> Vec<usize> {
    alive.iter().map(|layer| layer.iter().filter(|&&alive| alive).count()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::checkpoint::Recipe;
    use crate::host::degrade::Degradation;
    use crate::host::net::Net;
    use crate::host::peers::testing::together;
    use candle_core::Device;

    #[derive(Default)]
    struct Listener(Vec<String>);

    impl Observer for Listener {
        fn step(&mut self, _step: u64, _loss: f64) {}
        fn alarm(&mut self, what: &str) {
            self.0.push(what.to_string());
        }
        fn measured(&mut self, _run: &Run) -> Result<bool> {
            Ok(true)
        }
    }

    fn alarms(rate: f64, folder: &std::path::Path) -> (Run, Vec<String>) {
        let data = Dataset::read(folder, 2, 16, Degradation::Bicubic).unwrap();
        let recipe = Recipe { rate, steps: 60, warm_up: 20, patch: 16, batch: 4, ..Recipe::sketch() };
        let mut run = Run::new(recipe, &Device::Cpu).unwrap();
        let mut listener = Listener::default();
        train(&mut run, &data, Some(&data), Rhythm { measure: 20 }, &mut listener).unwrap();
        (run, listener.0)
    }

    fn checks() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let picture = image::RgbImage::from_fn(64, 64, |x, y| {
            let value = if (x / 5 + y / 7) % 2 == 0 { 40 } else { 200 };
            image::Rgb([value + (x % 3) as u8, value, value + (y % 5) as u8])
        });
        picture.save(folder.path().join("checks.png")).unwrap();
        folder
    }

    #[test]
    fn batches_cut_ahead_and_shared_teach_the_same() {
        let folder = checks();
        let data = Dataset::read(folder.path(), 2, 16, Degradation::Bicubic).unwrap();
        let recipe = Recipe { steps: 9, patch: 16, batch: 4, ..Recipe::sketch() };
        let rhythm = Rhythm { measure: 3 };
        let new = || Run::new(recipe.clone(), &Device::Cpu).unwrap();
        let (mut now, mut worker) = (new(), new());
        train(&mut now, &data, None, rhythm, &mut Listener::default()).unwrap();
        ahead(&mut worker, 0..4, &data, None, rhythm, &mut Listener::default()).unwrap();
        assert_eq!((now.random.state(), &now.history), (worker.random.state(), &worker.history));
        assert_eq!(now.net.merge().unwrap(), worker.net.merge().unwrap());
        let ranks = together(2, |peers| {
            let mut run = new().joined(peers).unwrap();
            train(&mut run, &data, None, rhythm, &mut Listener::default()).unwrap();
            run.net.merge().unwrap()
        });
        assert_eq!(ranks[0], ranks[1]);
        for (ours, alone) in ranks[0].layers.iter().zip(&now.net.merge().unwrap().layers) {
            assert!(ours.weight.iter().zip(&alone.weight).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    /// The loss of the first step was a number, and what it leaves is none: nothing may be saved.
    #[test]
    fn weights_that_are_no_numbers_end_the_run_before_it_is_saved() {
        let folder = checks();
        let data = Dataset::read(folder.path(), 2, 16, Degradation::Bicubic).unwrap();
        let recipe = Recipe { rate: 1e300, steps: 9, warm_up: 0, patch: 16, batch: 4, ..Recipe::sketch() };
        let mut run = Run::new(recipe, &Device::Cpu).unwrap();
        let error = train(&mut run, &data, None, Rhythm { measure: 1 }, &mut Listener::default()).unwrap_err();
        assert!(error.to_string().contains("the weights are no numbers any more at step 1"), "{error}");
        assert!(run.history.is_empty());
    }

    #[test]
    fn a_network_that_dies_raises_the_alarm_and_one_that_learns_does_not() {
        let folder = checks();
        let (run, quiet) = alarms(3e-3, folder.path());
        assert!(quiet.is_empty(), "{quiet:?} {:?}", run.history);
        assert_eq!(run.history.last().unwrap().alive, [4, 4]);
        let (run, loud) = alarms(1.0, folder.path());
        assert!(loud.iter().any(|what| what.contains("channels of layer")), "{loud:?} {:?}", run.history);
    }

    #[test]
    fn a_network_that_adds_nothing_has_no_channel_alive() {
        let data = tempfile::tempdir().unwrap();
        image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * y % 251) as u8]))
            .save(data.path().join("a.png"))
            .unwrap();
        let pairs = Dataset::read(data.path(), 2, 8, Degradation::Bicubic).unwrap();
        let mut chain = Chain::sketch(2, &[6, 6]);
        assert!(count(&alive(&chain, &pairs)).iter().all(|&n| n > 0));
        chain.layers[0].weight[..9 * 2].fill(-1.0);
        chain.layers[0].bias[..2].fill(0.0);
        chain.layers[1].bias.fill(-1e6);
        let lives = alive(&chain, &pairs);
        let dead = count(&lives);
        assert!(!lives[0][0] && !lives[0][1] && dead[0] <= 4 && dead[1] == 0, "{dead:?}");
        // Revived, they answer, and the network gives what it gave.
        let before = enlarge(&chain, &Maps::from_plane(&pairs.pairs()[0].low()));
        let revived = Net::revive(&mut chain, &lives, &mut crate::host::random::Random::new(1));
        assert_eq!(revived, 12 - dead[0]);
        assert_eq!(enlarge(&chain, &Maps::from_plane(&pairs.pairs()[0].low())), before);
        assert_eq!(count(&alive(&chain, &pairs)), [6, 6]);
    }

    #[test]
    fn a_network_that_gains_nothing_raises_the_alarm_after_its_warm_up() {
        let mut run = Run::new(Recipe { warm_up: 5, ..Recipe::sketch() }, &Device::Cpu).unwrap();
        let mut trouble = |step, psnr| {
            run.history.push(Point { step, loss: 0.1, psnr: Some(psnr), alive: vec![4, 4] });
            super::trouble(&run, Some(30.0))
        };
        assert_eq!(trouble(10, 29.0), None);
        assert_eq!(trouble(11, 30.1), None);
        assert!(trouble(11, 30.01).unwrap().contains("bilinear"));
    }
}
