//! Runs and finished weights on disk.

use super::Recipe;
use super::objective::Sources;
use super::run::{Learner, Run};
use crate::card::Colour;
use crate::error::{Error, Result};
use crate::host::chain::{Chain, Layer};
use crate::host::graph::{Table, Weights};
use crate::host::papers::{self, Choice, Generator};
use crate::host::random::Random;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Largest file that is read.
const MAX_BYTES: u64 = 8 << 30;
/// Key of a run's state among its file's metadata.
const RUN: &str = "upres.recipe-run";
/// Key of a finished network's description.
const NETWORK: &str = "upres.network";

/// One line of a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Means since the point before by name, and what was measured: `psnr` in dB and `lpips_metric` on the validation folder.
    /// (f32: JSON returns at most nine digits exactly.)
    pub values: BTreeMap<String, f32>,
}

#[derive(Serialize, Deserialize)]
struct State {
    recipe: Recipe,
    step: u64,
    updates: [u64; 2],
    history: Vec<Point>,
}

/// A finished network: its weights and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Which network.
    pub choice: Choice,
    /// Its weights by name.
    pub table: Table,
    /// How it was trained, by key.
    pub training: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    generator: Choice,
    training: BTreeMap<String, String>,
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The bytes of a safetensors file with one metadata entry.
fn file_of(table: &BTreeMap<String, Vec<u8>>, key: &str, entry: &impl Serialize) -> Result<Vec<u8>> {
    let complain = |e: safetensors::SafeTensorError| Error::internal("tensors cannot be laid out").caused_by(e);
    let entry = serde_json::to_string(entry).map_err(|e| Error::internal("a run cannot be described").caused_by(e))?;
    let views = table
        .iter()
        .map(|(name, data)| TensorView::new(Dtype::F32, vec![data.len() / 4], data).map(|view| (name.as_str(), view)));
    let views = views.collect::<Result<Vec<_>, _>>();
    let metadata = Some(HashMap::from([(key.to_string(), entry)]));
    safetensors::serialize(views.map_err(complain)?, metadata).map_err(complain)
}

/// The metadata entries and the tensors of a safetensors file.
fn read(path: &Path) -> Result<(HashMap<String, String>, Table)> {
    let io = |e| Error::io("cannot read", path, e);
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(Error::limit("larger than any checkpoint of ours").at(path.display()));
    }
    let file = std::fs::read(path).map_err(io)?;
    let damaged =
        |e: safetensors::SafeTensorError| Error::input("not a file of weights").caused_by(e).at(path.display());
    let (_, header) = SafeTensors::read_metadata(&file).map_err(damaged)?;
    let table = SafeTensors::deserialize(&file).map_err(damaged)?;
    let numbers = |view: TensorView| view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let table = table.tensors().into_iter().filter(|(_, view)| view.dtype() == Dtype::F32);
    Ok((header.metadata().clone().unwrap_or_default(), table.map(|(name, view)| (name, numbers(view))).collect()))
}

impl Finished {
    /// The bytes of the file.
    ///
    /// # Errors
    /// An internal error where it cannot be laid out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header { generator: self.choice.clone(), training: self.training.clone() };
        let table = self.table.iter().map(|(name, values)| (name.clone(), bytes(values))).collect();
        file_of(&table, NETWORK, &header)
    }

    /// Reads what [`Finished::to_bytes`] wrote, the averaged weights of a run's checkpoint, or a merged chain.
    ///
    /// # Errors
    /// An input error where the file is none of these.
    pub fn load(path: &Path) -> Result<Self> {
        let (metadata, mut table) = read(path)?;
        let broken = |e| Error::input("its description is damaged").caused_by(e).at(path.display());
        if let Some(header) = metadata.get(NETWORK) {
            let Header { generator, training } = serde_json::from_str(header).map_err(broken)?;
            return Ok(Self { choice: generator, table, training });
        }
        if let Some(state) = metadata.get(RUN) {
            let State { recipe, step, .. } = serde_json::from_str(state).map_err(broken)?;
            let mut weights = Table::new();
            let kept = table.keys().filter_map(|name| name.strip_prefix("generator.")).map(String::from);
            for name in kept.collect::<Vec<_>>() {
                let average = table.remove(&format!("average.generator.{name}"));
                let weight = table.remove(&format!("generator.{name}"));
                weights.extend(average.or(weight).map(|values| (name, values)));
            }
            return Ok(Self { choice: recipe.generator.clone(), table: weights, training: recipe.description(step) });
        }
        let (chain, training) = Chain::load(path)?;
        Ok(Self::from_chain(&chain, training))
    }

    /// A merged chain as the luma network `edge`.
    pub fn from_chain(chain: &Chain, training: BTreeMap<String, String>) -> Self {
        let channels = chain.layers.first().map_or(1, |layer| layer.outputs);
        let choice = Choice {
            scale: Some(chain.scale),
            channels: Some(channels),
            blocks: Some(chain.layers.len().saturating_sub(2)),
            colour: Some(Colour::Luma),
            ..Choice::named("edge")
        };
        let layers = chain.layers.iter().enumerate();
        let table = layers.flat_map(|(n, layer)| {
            [(format!("layer.{n}.weight"), layer.weight.clone()), (format!("layer.{n}.bias"), layer.bias.clone())]
        });
        Self { choice, table: table.collect(), training }
    }

    /// The network as a merged chain, where it is `edge`.
    pub fn chain(&self) -> Option<Chain> {
        let generator = papers::generator(&self.choice).ok()?;
        if self.choice.name != "edge" {
            return None;
        }
        let layer = |n: usize| {
            let [weight, bias] = ["weight", "bias"].map(|part| self.table.get(&format!("layer.{n}.{part}")).cloned());
            let (weight, bias) = (weight?, bias?);
            Some(Layer { inputs: weight.len() / (9 * bias.len().max(1)), outputs: bias.len(), weight, bias })
        };
        let layers = (0..self.table.len() / 2).map(layer).collect::<Option<_>>()?;
        let chain = Chain { scale: generator.heads[0].scale, layers };
        chain.validate().is_ok().then_some(chain)
    }

    /// The weights as they fit the network `choice`: themselves, or those of a luma edge network as its RGB twin.
    ///
    /// # Errors
    /// A model error where the networks differ in kind.
    pub fn fitted(&self, choice: &Choice) -> Result<Table> {
        if self.choice.name != choice.name {
            return Err(Error::model(format!("these weights are of '{}', not of '{}'", self.choice.name, choice.name))
                .fix("start from weights of the same network"));
        }
        let rgb = |choice: &Choice| papers::generator(choice).map(|generator| generator.colour == Colour::Rgb);
        if choice.name == "edge" && rgb(choice)? && !rgb(&self.choice)? {
            return Ok(papers::rgb_twin(&self.table));
        }
        Ok(self.table.clone())
    }

    /// The network with these weights, untracked.
    ///
    /// # Errors
    /// A model error where they do not fit it.
    pub fn open(&self, device: &Device) -> Result<(Generator, Vec<Tensor>)> {
        let generator = papers::generator(&self.choice)?;
        let mut weights = Weights::new(&generator.graph, &mut Random::new(0), device)?;
        weights.fill(&self.table)?;
        Ok((generator, weights.frozen()))
    }
}

impl Recipe {
    /// The recipe as free text, for the weights' file and the model card.
    pub fn description(&self, step: u64) -> BTreeMap<String, String> {
        let recipe = toml::to_string(self).unwrap_or_default();
        BTreeMap::from([("recipe".to_string(), recipe), ("steps".to_string(), step.to_string())])
    }
}

/// The learners of a run by the name they have in a file.
fn learners(run: &Run) -> impl Iterator<Item = (&'static str, &Learner)> {
    std::iter::once(("generator", &run.learner)).chain(run.adversary.as_ref().map(|learner| ("adversary", learner)))
}

const PARTS: [&str; 3] = ["first", "second", "average"];

impl Run {
    /// The averaged weights as a finished network.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn finished(&self) -> Result<Finished> {
        let training = self.recipe.description(self.step);
        Ok(Finished { choice: self.recipe.generator.clone(), table: self.averaged()?, training })
    }

    /// Writes the run to `path`, whole or not at all.
    ///
    /// # Errors
    /// Where the disk or the device fails.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::atomic::write(path, &self.bytes(&self.history)?)
    }

    /// The bytes of its checkpoint with that history; the rest is all that the next step depends on.
    pub(super) fn bytes(&self, history: &[Point]) -> Result<Vec<u8>> {
        let mut table = BTreeMap::new();
        for (kind, learner) in learners(self) {
            let weights = learner.weights.table()?;
            table.extend(weights.iter().map(|(name, values)| (format!("{kind}.{name}"), bytes(values))));
            for (name, parts) in learner.weights.names().zip(&learner.adam.state()?) {
                // A discriminator has no average.
                let parts = PARTS.iter().zip(parts).filter(|(part, _)| kind == "generator" || **part != "average");
                table.extend(parts.map(|(part, values)| (format!("{part}.{kind}.{name}"), bytes(values))));
            }
        }
        let updates = [self.learner.adam.step, self.adversary.as_ref().map_or(0, |learner| learner.adam.step)];
        let state = State { recipe: self.recipe.clone(), step: self.step, updates, history: history.to_vec() };
        file_of(&table, RUN, &state)
    }

    /// Reads a run that [`Run::save`] wrote; `teacher` and `sources` as for [`Run::new`].
    ///
    /// # Errors
    /// An input error where the file is no checkpoint or does not fit together.
    pub fn load(path: &Path, teacher: Option<&Finished>, sources: &Sources, device: &Device) -> Result<Self> {
        let (metadata, table) = read(path)?;
        let state = metadata.get(RUN).ok_or_else(|| {
            Error::input("holds no run by recipe").fix("give its checkpoint.safetensors").at(path.display())
        })?;
        let broken = |e| Error::input("its state is damaged").caused_by(e).at(path.display());
        let state: State = serde_json::from_str(state).map_err(broken)?;
        let mut run = Self::new(state.recipe, None, teacher, sources, device)?;
        restore(&mut run.learner, "generator", &table, state.updates[0]).map_err(|e| e.at(path.display()))?;
        if let Some(adversary) = &mut run.adversary {
            restore(adversary, "adversary", &table, state.updates[1]).map_err(|e| e.at(path.display()))?;
        }
        run.step = state.step;
        run.history = state.history;
        Ok(run)
    }
}

fn restore(learner: &mut Learner, kind: &str, table: &Table, updates: u64) -> Result<()> {
    let prefix = format!("{kind}.");
    let own = table.iter().filter_map(|(name, values)| Some((name.strip_prefix(&prefix)?.to_string(), values.clone())));
    learner.weights.fill(&own.collect())?;
    let mut state = learner.adam.state()?;
    for (name, parts) in learner.weights.names().zip(&mut state) {
        for (part, values) in PARTS.iter().zip(parts).filter(|(part, _)| kind == "generator" || **part != "average") {
            let full = format!("{part}.{kind}.{name}");
            let read = table.get(&full).filter(|read| read.len() == values.len());
            values.clone_from(read.ok_or_else(|| Error::input(format!("tensor '{full}' is missing or cut")))?);
        }
    }
    learner.adam.restore(state, updates)
}
