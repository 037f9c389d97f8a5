//! Finished generators as files: the `.onnx` with its card inside, and the card beside it.
//!
//! Whatever is written is read back through the session that the device uses, and compared with the plain forward pass.

use crate::atomic;
use crate::card::{Card, Colour, METADATA_KEY, Precision, Tiling};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::host::chain::{Chain, Maps, Recipe};
use crate::host::integer::IntegerChain;
use crate::onnx::build::GraphBuilder;
use crate::onnx::proto::{ModelProto, StringStringEntryProto};
use crate::onnx::{self, Limits};
use crate::session::{Overrides, TractGenerator, digest};
use crate::upscale::Generator;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub mod graph;
mod network;

pub use graph::Form;

/// How far a float graph may be from the plain forward pass, on samples of 0..1.
pub const FLOAT_TOLERANCE: f32 = 1e-4;

/// An exported generator in memory.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// The bytes of the `.onnx`.
    pub model: Vec<u8>,
    /// The card, with the digest of those bytes.
    pub card: Card,
}

impl Artefact {
    /// Exports a float chain under `name`.
    pub fn float(chain: &Chain, recipe: &Recipe, name: &str) -> Result<Self> {
        chain.validate()?;
        let card = card([chain.planes(), chain.scale], chain.layers.len(), chain.parameters(), chain.mac_per_pixel());
        Self::new(graph::float(chain), Card { name: name.into(), training: recipe.clone(), ..card })
    }

    /// Exports a quantised chain under `name`.
    pub fn int8(chain: &IntegerChain, form: Form, recipe: &Recipe, name: &str) -> Result<Self> {
        chain.validate()?;
        let mac: usize = chain.layers.iter().map(|layer| layer.weight.len()).sum();
        let card = card([chain.planes(), chain.scale], chain.layers.len(), chain.parameters(), mac as f64);
        let card = Card { name: name.into(), training: recipe.clone(), precision: Precision::Int8, ..card };
        Self::new(graph::int8(chain, form), card)
    }

    fn new(graph: GraphBuilder, card: Card) -> Result<Self> {
        Self::of(graph.finish(), card)
    }

    /// A model with its card put inside.
    fn of(mut model: ModelProto, mut card: Card) -> Result<Self> {
        card.validate()?;
        let entry = StringStringEntryProto { key: METADATA_KEY.into(), value: card.to_json()? };
        model.metadata_props.insert(0, entry);
        let model = model.to_bytes();
        card.digest = digest(&model);
        Ok(Self { model, card })
    }

    /// An exported file at `path`, read again.
    ///
    /// # Errors
    /// A model error where it brings no card; those of [`onnx::read`].
    pub fn open(path: &Path) -> Result<Self> {
        let limits = Limits::default();
        let bytes = onnx::load(path, &limits)?;
        let proto = onnx::read(&bytes, &limits).map_err(|e| e.at(path.display()))?;
        let entry = proto.metadata_props.iter().find(|entry| entry.key == METADATA_KEY);
        let entry = entry.ok_or_else(|| Error::model("holds no card of ours").at(path.display()))?;
        let card = Card { digest: digest(&bytes), ..Card::from_json(&entry.value)? };
        Ok(Self { model: bytes, card })
    }

    /// The same network with `scores` on its card.
    pub fn with_scores(self, scores: BTreeMap<String, BTreeMap<String, f64>>) -> Result<Self> {
        let card = Card { scores, digest: String::new(), ..self.card };
        let mut proto = onnx::read(&self.model, &Limits::default())?;
        let text = card.to_json()?;
        proto.metadata_props.iter_mut().filter(|e| e.key == METADATA_KEY).for_each(|e| e.value.clone_from(&text));
        let model = proto.to_bytes();
        Ok(Self { card: Card { digest: digest(&model), ..card }, model })
    }

    /// Runs the file as the device will and returns how far it is from `expected` at most, on pictures of several sizes.
    ///
    /// # Errors
    /// A model error where it is refused, an internal one where the difference is more than `tolerance`.
    pub fn verify(&self, expected: impl Fn(&Maps<f32>) -> Maps<f32>, tolerance: f32) -> Result<f32> {
        let generator =
            TractGenerator::from_bytes(&self.card.name, &self.model, &Overrides::default(), Limits::default())?;
        let mut worst = 0.0f32;
        for size in [Size::new(33, 18), Size::new(7, 21)] {
            let input = probe(size, self.card.colour);
            let expected = expected(&Maps::from_samples(size, &input)).samples();
            let mut output = vec![0.0; expected.len()];
            generator.plan(size)?.run(&input, &mut output)?;
            for (got, want) in output.iter().zip(&expected) {
                worst = worst.max((got - want).abs());
            }
        }
        if worst <= tolerance {
            return Ok(worst);
        }
        Err(Error::internal(format!(
            "the exported file differs from its network by {worst:e}, more than {tolerance:e}: it was not written"
        )))
    }

    /// Writes `model.onnx` and `card.toml` into the folder `output`, or, where `output` ends in `.onnx`, that file and
    /// `.card.toml` beside it. Returns the path of the model.
    pub fn save(&self, output: &Path) -> Result<PathBuf> {
        let (model, card) = if is_onnx(output) {
            (output.to_path_buf(), output.with_extension("card.toml"))
        } else {
            std::fs::create_dir_all(output).map_err(|e| Error::io("cannot make the folder", output, e))?;
            (output.join("model.onnx"), output.join("card.toml"))
        };
        atomic::write(&model, &self.model)?;
        atomic::write(&card, self.card.to_toml()?.as_bytes())?;
        Ok(model)
    }
}

/// The name that an output path suggests: the folder's, or the file's without `.onnx`.
pub fn name_of(output: &Path) -> Result<String> {
    let part = if is_onnx(output) { output.file_stem() } else { output.file_name() };
    let name = part.map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| Error::usage(format!("'{}' suggests no name", output.display())).fix("give one with --name"))
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// A float card without a name.
fn card([planes, scale]: [usize; 2], layers: usize, parameters: u64, mac_per_pixel: f64) -> Card {
    Card {
        name: String::new(),
        scale,
        colour: if planes == 1 { Colour::Luma } else { Colour::Rgb },
        range: [0.0, 1.0],
        tiling: Tiling::Halo(layers.max(1)),
        precision: Precision::F32,
        parameters,
        mac_per_pixel,
        fixed_size: None,
        min_side: 1,
        multiple: 1,
        digest: String::new(),
        training: Recipe::new(),
        scores: BTreeMap::new(),
    }
}

/// A picture with slopes, edges and noise over the whole range; its colours are planes that differ.
fn probe(size: Size, colour: Colour) -> Vec<f32> {
    let mut seed = 7u32;
    let plane = Plane::from_fn(size, |x, y| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (seed >> 8) as f32 / 16_777_216.0;
        let slope = (x + 2 * y) as f32 / (size.width + 2 * size.height) as f32;
        let edge = if (x / 5 + y / 4) % 2 == 0 { 1.0 } else { 0.0 };
        [slope, edge, noise][(x / 8 + y / 8) % 3]
    });
    let shares = [1.0, 0.7, 0.4].iter().take(colour.planes());
    shares.flat_map(|share| plane.data.iter().map(move |value| value * share)).collect()
}

#[cfg(test)]
mod tests;
