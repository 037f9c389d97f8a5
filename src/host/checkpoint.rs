//! Training state on disk: everything that the next step depends on, so that an interrupted run continues exactly.

use crate::error::{Error, Result};
use crate::host::chain::Chain;
use crate::host::loss::Loss;
use crate::host::net::{Net, Shape};
use crate::host::optimise::{Adam, Schedule};
use crate::host::peers::{Alone, Peers};
use crate::host::precision::Precision;
use crate::host::random::Random;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Largest checkpoint that is read.
const MAX_BYTES: u64 = 4 << 30;

/// What decides a run's result, step for step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The network.
    pub shape: Shape,
    /// How photographs are made small.
    pub degradation: String,
    /// Low-resolution side of a training patch.
    pub patch: usize,
    /// Patches a step.
    pub batch: usize,
    /// Steps in all.
    pub steps: u64,
    /// Peak learning rate.
    pub rate: f64,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Steps in which the rate rises to its peak.
    pub warm_up: u64,
    /// What an error costs.
    #[serde(default)]
    pub loss: Loss,
    /// What activations are held in.
    #[serde(default)]
    pub precision: Precision,
    /// The merged weights that the run started from, told by their digest; fresh ones where there are none.
    #[serde(default)]
    pub start: Option<String>,
    /// Decay of the moving average of the weights.
    pub decay: f64,
    /// Seed of the initialisation and of every batch.
    pub seed: u64,
}

/// One line of the run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Mean loss since the point before. (f32, here and below: JSON returns at most nine digits exactly.)
    pub loss: f32,
    /// PSNR of the averaged weights on the validation folder in dB, where one was given.
    pub psnr: Option<f32>,
    /// Channels of each hidden layer that answer at all, see [`crate::host::train::alive`].
    #[serde(default)]
    pub alive: Vec<usize>,
}

/// A run between two steps.
#[derive(Debug)]
pub struct Run {
    /// What decides the result.
    pub recipe: Recipe,
    /// The network as trained.
    pub net: Net,
    /// Optimiser and moving average.
    pub adam: Adam,
    /// Where the batches' random stream stands.
    pub random: Random,
    /// What was measured so far.
    pub history: Vec<Point>,
    /// Who else learns the same network.
    pub peers: Box<dyn Peers>,
}

#[derive(Serialize, Deserialize)]
struct State {
    recipe: Recipe,
    step: u64,
    random: [u64; 4],
    history: Vec<Point>,
}

/// Key of the state among the file's metadata.
const STATE: &str = "upres.run";
const PARTS: [&str; 3] = ["adam.first", "adam.second", "average"];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl Run {
    /// A run that has not taken a step.
    pub fn new(recipe: Recipe, device: &Device) -> Result<Self> {
        let mut random = Random::new(recipe.seed);
        let net = Net::new(recipe.shape, &mut random, device)?;
        let adam = Adam::new(net.variables().map(|(_, var)| var), recipe.decay)?;
        Ok(Self { recipe, net, adam, random, history: Vec::new(), peers: Box::new(Alone) })
    }

    /// A run that has not taken a step and starts from merged weights.
    pub fn from_chain(recipe: Recipe, chain: &Chain, device: &Device) -> Result<Self> {
        let mut random = Random::new(recipe.seed);
        let net = Net::from_chain(chain, recipe.shape.block, &mut random, device)?;
        let adam = Adam::new(net.variables().map(|(_, var)| var), recipe.decay)?;
        Ok(Self { recipe, net, adam, random, history: Vec::new(), peers: Box::new(Alone) })
    }

    /// The same run as one of `peers`, who all stand where it stands.
    ///
    /// # Errors
    /// A usage error where they cannot share a batch; an internal error where they stand elsewhere.
    pub fn joined(self, peers: Box<dyn Peers>) -> Result<Self> {
        peers.share(self.recipe.batch)?;
        let run = Self { peers, ..self };
        run.agree()?;
        Ok(run)
    }

    /// Checks that every rank stands where this one does.
    ///
    /// # Errors
    /// An internal error where one does not.
    pub fn agree(&self) -> Result<()> {
        self.peers.agree(self.net.device(), || {
            let mut state = self.adam.step.to_le_bytes().to_vec();
            for ((_, var), parts) in self.net.variables().zip(self.adam.state()?) {
                state.extend(bytes(&var.flatten_all()?.to_vec1::<f32>()?));
                for part in &parts {
                    state.extend(bytes(part));
                }
            }
            Ok(state)
        })
    }

    /// Writes the run to `path`, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
        for ((name, var), parts) in self.net.variables().zip(self.adam.state()?) {
            tensors.push((format!("weight.{name}"), bytes(&var.flatten_all()?.to_vec1::<f32>()?)));
            tensors.extend(PARTS.iter().zip(&parts).map(|(part, values)| (format!("{part}.{name}"), bytes(values))));
        }
        let state = State {
            recipe: self.recipe.clone(),
            step: self.adam.step,
            random: self.random.state(),
            history: self.history.clone(),
        };
        let state =
            serde_json::to_string(&state).map_err(|e| Error::internal("the run cannot be described").caused_by(e))?;
        let views = tensors.iter().map(|(name, data)| {
            TensorView::new(Dtype::F32, vec![data.len() / 4], data).map(|view| (name.as_str(), view))
        });
        let damaged = |e| Error::internal("the run cannot be laid out").caused_by(e);
        let views = views.collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        let metadata = Some(HashMap::from([(STATE.to_string(), state)]));
        let file = safetensors::serialize(views, metadata).map_err(damaged)?;
        crate::atomic::write(path, &file)
    }

    /// Reads a run that [`Run::save`] wrote.
    ///
    /// # Errors
    /// An input error where the file is no checkpoint or does not fit together.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let io = |e| Error::io("cannot read the checkpoint", path, e);
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(Error::limit("larger than any checkpoint of ours").at(path.display()));
        }
        let file = std::fs::read(path).map_err(io)?;
        Self::parse(&file, device).map_err(|e| e.at(path.display()))
    }

    fn parse(file: &[u8], device: &Device) -> Result<Self> {
        let damaged = |e| Error::input("not a checkpoint").caused_by(e);
        let (_, header) = SafeTensors::read_metadata(file).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(file).map_err(damaged)?;
        let state = header.metadata().as_ref().and_then(|m| m.get(STATE));
        let state = state
            .ok_or_else(|| Error::input("holds weights but no training state").fix("give checkpoint.safetensors"))?;
        let state: State =
            serde_json::from_str(state).map_err(|e| Error::input("its state is damaged").caused_by(e))?;
        let mut run = Self::new(state.recipe, device)?;
        let read = |name: &str, len: usize| -> Result<Vec<f32>> {
            let view = tensors.tensor(name).map_err(damaged)?;
            if view.dtype() != Dtype::F32 || view.data().len() != 4 * len {
                return Err(Error::input(format!("tensor '{name}' has the wrong size")));
            }
            Ok(view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        let mut optimiser = run.adam.state()?;
        for ((name, var), parts) in run.net.variables().zip(&mut optimiser) {
            let values = read(&format!("weight.{name}"), var.elem_count())?;
            var.set(&Tensor::from_vec(values, var.shape(), device)?)?;
            for (part, values) in PARTS.iter().zip(parts) {
                *values = read(&format!("{part}.{name}"), values.len())?;
            }
        }
        run.adam.restore(optimiser, state.step)?;
        run.random = Random::from_state(state.random);
        run.history = state.history;
        Ok(run)
    }

    /// The recipe as free text, for the weights' file and the model card.
    pub fn description(&self) -> BTreeMap<String, String> {
        let r = &self.recipe;
        let course = format!("{:?}, peak {}, {} steps of warm-up", r.schedule, r.rate, r.warm_up).to_lowercase();
        [
            ("block", format!("{:?}", r.shape.block).to_lowercase()),
            ("degradation", r.degradation.clone()),
            ("loss", format!("{:?}", r.loss)),
            ("precision", format!("{:?}", r.precision).to_lowercase()),
            ("optimiser", format!("Adam, {course}, average {}", r.decay)),
            ("batch", format!("{} patches of {}x{} low-resolution pixels", r.batch, r.patch, r.patch)),
            ("steps", self.adam.step.to_string()),
            ("seed", r.seed.to_string()),
        ]
        .into_iter()
        .chain(r.start.iter().map(|digest| ("start", digest.clone())))
        .map(|(key, value)| (key.to_string(), value))
        .collect()
    }

    /// The network with its averaged weights.
    pub fn averaged(&self) -> Result<Net> {
        let net = Net::new(self.recipe.shape, &mut Random::new(0), &Device::Cpu)?;
        for ((_, var), [_, _, average]) in net.variables().zip(self.adam.state()?) {
            var.set(&Tensor::from_vec(average, var.shape(), &Device::Cpu)?)?;
        }
        Ok(net)
    }
}

/// Recipes for tests.
#[cfg(test)]
impl Recipe {
    /// A dozen steps of a network of four channels.
    pub(crate) fn sketch() -> Self {
        Self {
            shape: Shape { scale: 2, channels: 4, blocks: 1, block: crate::host::net::Block::Ecb },
            degradation: "bicubic".into(),
            patch: 8,
            batch: 3,
            steps: 12,
            rate: 1e-3,
            schedule: Schedule::Cosine,
            warm_up: 3,
            loss: Loss::L1,
            precision: Precision::F32,
            start: None,
            decay: 0.9,
            seed: 5,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::dataset::Dataset;
    use crate::host::degrade::Degradation;
    use crate::host::train::{Observer, Rhythm, train};

    /// Ends the run at a step, as a power cut between two steps would.
    struct Stop(u64);

    impl Observer for Stop {
        fn step(&mut self, _step: u64, _loss: f64) {}
        fn alarm(&mut self, _what: &str) {}
        fn measured(&mut self, run: &Run) -> Result<bool> {
            Ok(run.adam.step < self.0)
        }
    }

    fn photographs() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..2u32 {
            let picture = image::RgbImage::from_fn(40, 36, |x, y| {
                image::Rgb([(x * 6) as u8, (y * 7 + n * 50) as u8, ((x * x + y * (n + 3)) % 256) as u8])
            });
            picture.save(folder.path().join(format!("{n}.png"))).unwrap();
        }
        folder
    }

    #[test]
    fn interrupted_equals_uninterrupted_bit_for_bit() {
        let folder = photographs();
        let data = Dataset::read(folder.path(), 2, 8, Degradation::Bicubic).unwrap();
        let rhythm = Rhythm { measure: 1 };
        let mut whole = Run::new(Recipe::sketch(), &Device::Cpu).unwrap();
        train(&mut whole, &data, Some(&data), rhythm, &mut Stop(99)).unwrap();

        let file = folder.path().join("checkpoint.safetensors");
        let mut first = Run::new(Recipe::sketch(), &Device::Cpu).unwrap();
        train(&mut first, &data, Some(&data), rhythm, &mut Stop(5)).unwrap();
        assert_eq!(first.adam.step, 5);
        first.save(&file).unwrap();
        let mut second = Run::load(&file, &Device::Cpu).unwrap();
        train(&mut second, &data, Some(&data), rhythm, &mut Stop(99)).unwrap();

        assert_eq!(second.adam.step, whole.adam.step);
        assert_eq!(second.adam.state().unwrap(), whole.adam.state().unwrap());
        assert_eq!(second.history, whole.history);
        assert_eq!(second.net.merge().unwrap(), whole.net.merge().unwrap());
        let (first, last) = (whole.history[0].loss, whole.history[11].loss);
        assert!(last < first, "the loss falls: {first} {last}");
    }

    #[test]
    fn damaged_checkpoints_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoint.safetensors");
        Run::new(Recipe::sketch(), &Device::Cpu).unwrap().save(&file).unwrap();
        let good = std::fs::read(&file).unwrap();
        for damage in [good[..good.len() / 2].to_vec(), vec![0; 64], Vec::new()] {
            std::fs::write(&file, damage).unwrap();
            let message = Run::load(&file, &Device::Cpu).unwrap_err().to_string();
            assert!(message.contains("checkpoint"), "{message}");
        }
    }
}
