//! ONNX generators, on the engine and on tract: alone in naming tract.
//!
//! What the [`engine`](crate::engine) recognises it runs: the whole graph without tract where it can, else islands of it as
//! operators inside tract's graph. What it does not recognise runs on stock tract.
//!
//! A [`TractGenerator`] is read and understood once ([`crate::onnx`]), then made concrete for each input size that is asked
//! for. An output pixel must not depend on the size of the tile it was computed in, so the lowerings that tract chooses by
//! size are held to one (see `engine.rs`).

mod brought;
mod engine;
mod footprint;
mod gpu;
mod island;
mod probe;
mod whole;

use crate::card::{Card, Colour, METADATA_KEY, Precision, Tiling};
use crate::engine::{Island, Method, Packed, Recognised, Stream, recognise};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::kernel::Level;
use crate::onnx::proto::ModelProto;
use crate::onnx::{self, Analysis, Limits};
use crate::upscale::{Footing, Generator, Plan};
use brought::{apply, worked_out};
use engine::{Engine, Prepared};
use island::Ready;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use whole::{WholePlan, map_times};

pub use brought::{checked_against, embedded_card};
pub use whole::MapTime;

/// What a user knows better than the graph tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Output pixels for each input pixel.
    pub scale: Option<usize>,
    /// Planes in and out.
    pub colour: Option<Colour>,
    /// The numbers that mean black and white.
    pub range: Option<[f32; 2]>,
    /// Receptive-field radius in input pixels.
    pub halo: Option<usize>,
    /// The card that stands beside a model which brings none in its metadata.
    pub card: Option<Card>,
    /// The instructions that are used; the best ones unless chosen.
    pub cpu: Option<Level>,
    /// What runs the network.
    pub runner: Runner,
    /// How far the weights are from the model's other end (0) to its own (1), where it brings one.
    pub strength: Option<f32>,
}

/// What runs a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runner {
    /// The engine, as far as it goes, and tract for the rest.
    #[default]
    Engine,
    /// Tract alone.
    Tract,
    /// Tract on an NVIDIA GPU, in 32-bit floats; for programs built with the feature `jetson`.
    Cuda,
    /// The same in 16-bit floats: half the memory traffic, and the last bits of a sample are lost.
    CudaHalf,
}

impl Runner {
    /// The names by which users call them.
    pub const NAMES: [(&str, Self); 4] =
        [("engine", Self::Engine), ("tract", Self::Tract), ("cuda", Self::Cuda), ("cuda-f16", Self::CudaHalf)];

    /// Whether it runs generators of that precision: quantised ones run on the CPU only.
    pub fn runs(self, precision: Precision) -> bool {
        precision != Precision::Int8 || !matches!(self, Self::Cuda | Self::CudaHalf)
    }
}

impl std::str::FromStr for Runner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, runner)| runner).ok_or_else(|| {
            let names: Vec<_> = Self::NAMES.into_iter().map(|(name, _)| name).collect();
            Error::usage(format!("'{text}' runs no network")).fix(format!("choose of {}", names.join(", ")))
        })
    }
}

/// Sizes for which the compiled network is kept.
const KEPT_SIZES: usize = 8;

/// An ONNX network, on the engine as far as that goes and on tract.
pub struct TractGenerator {
    card: Card,
    analysis: Analysis,
    model: ModelProto,
    limits: Limits,
    /// The network on tract, unless the engine runs all of it.
    engine: Option<Engine>,
    recognised: Recognised,
    level: Level,
    /// The network on the engine, where that can run all of it.
    whole: Option<Arc<Packed>>,
    /// Compiled networks, the latest last.
    prepared: Mutex<Vec<(Size, Arc<Prepared>)>>,
}

impl TractGenerator {
    /// Reads the `.onnx` file at `path`; its name without the ending becomes the generator's where it brings no card.
    /// Nobody is asked whether it is trusted: programs open models by [`crate::zoo::Zoo`].
    ///
    /// # Errors
    /// An I/O error; a model or limit error where the file is damaged, not a generator, or beyond the default limits; a
    /// usage error where `overrides` contradict the graph.
    pub fn open(path: &Path, overrides: &Overrides) -> Result<Self> {
        let name = path.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy());
        let limits = Limits::default();
        let bytes = onnx::load(path, &limits)?;
        Self::from_bytes(&name, &bytes, overrides, limits).map_err(|e| e.at(path.display()))
    }

    /// Reads the bytes of an `.onnx` file.
    ///
    /// # Errors
    /// As [`TractGenerator::open`].
    pub fn from_bytes(name: &str, bytes: &[u8], overrides: &Overrides, limits: Limits) -> Result<Self> {
        let mut model = onnx::read(bytes, &limits)?;
        if let Some(strength) = overrides.strength {
            onnx::blend::blend(&mut model, strength)?;
        }
        let mut analysis = onnx::analyse(&model, &limits)?;
        let level = overrides.cpu.unwrap_or_else(Level::best);
        let mut recognised = match overrides.runner {
            Runner::Engine => recognise(&model, &limits)?,
            Runner::Tract => Recognised::default(),
            Runner::Cuda | Runner::CudaHalf => {
                gpu::check(overrides.runner, &analysis)?;
                Recognised::default()
            }
        };
        let is_whole = analysis.scale.is_some() && recognised.whole(&model).is_some();
        // Beside tract's operators a window may begin anywhere.
        let method = if is_whole { Method::Winograd } else { Method::Direct };
        let pack = |island: &mut Island| {
            let packed = Arc::new(Packed::new(std::mem::take(&mut island.network), level, method));
            Ready { inputs: island.inputs.clone(), outputs: island.outputs.clone(), packed }
        };
        let mut islands: Vec<Ready> = recognised.islands.iter_mut().map(pack).collect();
        let whole = if is_whole { islands.pop().map(|island| island.packed) } else { None };
        let engine = match &whole {
            None => Some(Engine::load(&model, analysis.colour.planes(), islands, overrides.runner)?),
            Some(_) => None,
        };
        if let (None, Some(engine)) = (analysis.scale, &engine) {
            analysis.scale = Some(if let Some(scale) = overrides.scale {
                scale
            } else {
                let size = analysis.fixed_size.unwrap_or(Size::new(96, 64));
                onnx::check_size(&model, size, &limits)?;
                engine.scale(size, &limits)?
            });
        }
        let brought = embedded_card(&model)?.or_else(|| overrides.card.clone());
        let known_range = overrides.range.is_some() || brought.is_some();
        let mut card = match brought {
            Some(card) => checked_against(card, &analysis)?,
            None => worked_out(name, &analysis),
        };
        card.digest = digest(bytes);
        if whole.is_some() {
            // The engine takes any size, whatever the graph was exported for.
            (card.fixed_size, card.min_side, card.multiple) = (None, 1, 1);
        }
        apply(overrides, &analysis, &mut card)?;
        let prepared = Mutex::default();
        let mut generator = Self { card, analysis, model, limits, engine, recognised, level, whole, prepared };
        if !known_range {
            generator.card.range = probe::range(&generator)?;
        }
        Ok(generator)
    }

    /// What was worked out from the graph.
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// What the engine runs and what is left to tract.
    pub fn recognised(&self) -> &Recognised {
        &self.recognised
    }

    /// Whether the engine runs all of the network.
    pub fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether the model brings its own card.
    pub fn brings_card(&self) -> bool {
        self.model.metadata_props.iter().any(|entry| entry.key == METADATA_KEY)
    }

    /// Whether the model brings another end, so that [`Overrides::strength`] can be set.
    pub fn can_blend(&self) -> bool {
        onnx::blend::can_blend(&self.model)
    }

    /// The instructions that the engine uses.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Where the time of a frame goes, on one thread; nothing where not the engine alone runs the network.
    ///
    /// # Errors
    /// The engine's.
    pub fn map_times(&self, input: &[Plane], frames: u32) -> Result<Vec<MapTime>> {
        self.whole.as_ref().map_or(Ok(Vec::new()), |packed| map_times(packed, input, self.card.range, frames))
    }

    /// The compiled network for `size`, from the kept ones where possible.
    fn prepare(&self, size: Size) -> Result<Arc<Prepared>> {
        let mut kept = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(s, _)| *s == size) {
            let entry = kept.remove(at);
            let prepared = entry.1.clone();
            kept.push(entry);
            return Ok(prepared);
        }
        onnx::check_size(&self.model, size, &self.limits)?;
        let engine = self.engine.as_ref().ok_or_else(|| Error::internal("the engine runs this, not tract"))?;
        let prepared = Arc::new(engine.prepare(size, self.card.scale, &self.limits)?);
        if kept.len() == KEPT_SIZES {
            kept.remove(0);
        }
        kept.push((size, prepared.clone()));
        Ok(prepared)
    }

    /// `size`, filled up to what the graph accepts.
    fn padded(&self, size: Size) -> Size {
        let fit = |side: usize| side.max(self.analysis.min_side).next_multiple_of(self.analysis.multiple);
        Size::new(fit(size.width), fit(size.height))
    }

    /// A plan for `size` that leaves the fixed size of the graph out of account.
    fn plan_freely(&self, size: Size, range: [f32; 2]) -> Result<Box<dyn Plan>> {
        let planes = self.card.colour.planes();
        if let Some(packed) = &self.whole {
            onnx::check_run(Stream::bytes(packed, size), &self.limits)?;
            return Ok(Box::new(WholePlan::new(packed, size, planes, range)));
        }
        let padded = self.padded(size);
        let prepared = self.prepare(padded)?;
        Ok(Box::new(TractPlan { prepared, size, padded, planes, scale: self.card.scale, range }))
    }
}

impl Generator for TractGenerator {
    fn card(&self) -> &Card {
        &self.card
    }

    fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
        if let Some(fixed) = self.card.fixed_size()
            && fixed != input
        {
            return Err(Error::model(format!("'{}' takes exactly {fixed} pixels, not {input}", self.card.name)));
        }
        if input.width.min(input.height) < self.card.min_side {
            let least = self.card.min_side;
            return Err(Error::model(format!("'{}' takes no side below {least} pixels, not {input}", self.card.name)));
        }
        input.checked_scale(self.card.scale)?;
        self.plan_freely(input, self.card.range)
    }

    fn footing(&self) -> Footing {
        let said = Footing::of(&self.card);
        match (&self.whole, &self.card.tiling) {
            (Some(packed), Tiling::Halo(_)) => {
                Footing { halo: said.halo.max(packed.halo()), alignment: packed.alignment(), streams: true }
            }
            _ => said,
        }
    }

    fn working_bytes(&self, input: Size) -> u64 {
        if let Some(packed) = &self.whole {
            return Stream::bytes(packed, input);
        }
        // What cannot be compiled needs nothing: planning it will say why.
        self.prepare(self.padded(input)).map_or(0, |prepared| prepared.footprint)
    }
}

/// A compiled network with the sizes around it.
struct TractPlan {
    prepared: Arc<Prepared>,
    size: Size,
    /// What the network is fed with: `size`, filled up by repeating the last column and row.
    padded: Size,
    planes: usize,
    scale: usize,
    range: [f32; 2],
}

impl Plan for TractPlan {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let large = enlarged(self.size, self.scale);
        if input.len() != self.size.area() * self.planes || output.len() != large.area() * self.planes {
            return Err(Error::internal(format!("samples do not fit {} planes of {}", self.planes, self.size)));
        }
        let [black, white] = self.range;
        let span = white - black;
        // Zero to one stays as it is, to the bit.
        let other_range = self.range.map(f32::to_bits) != [0.0_f32, 1.0].map(f32::to_bits);
        let fill = |tensor: &mut [f32]| {
            self.pad(input, tensor);
            if other_range {
                for value in tensor {
                    *value = *value * span + black;
                }
            }
        };
        self.prepared.run(fill, |tensor| self.crop(tensor, output))?;
        if other_range {
            for value in output {
                *value = (*value - black) / span;
            }
        }
        Ok(())
    }
}

impl TractPlan {
    fn pad(&self, input: &[f32], tensor: &mut [f32]) {
        let Size { width, height } = self.size;
        for (plane, padded) in input.chunks_exact(width * height).zip(tensor.chunks_exact_mut(self.padded.area())) {
            for (y, row) in padded.chunks_exact_mut(self.padded.width).enumerate() {
                let source = &plane[y.min(height - 1) * width..][..width];
                row[..width].copy_from_slice(source);
                row[width..].fill(source[width - 1]);
            }
        }
    }

    fn crop(&self, tensor: &[f32], output: &mut [f32]) {
        let (large, padded) = (enlarged(self.size, self.scale), enlarged(self.padded, self.scale));
        for (plane, source) in output.chunks_exact_mut(large.area()).zip(tensor.chunks_exact(padded.area())) {
            for (row, source) in plane.chunks_exact_mut(large.width).zip(source.chunks_exact(padded.width)) {
                row.copy_from_slice(&source[..large.width]);
            }
        }
    }
}

const fn enlarged(size: Size, scale: usize) -> Size {
    Size::new(size.width * scale, size.height * scale)
}

/// SHA-256 of a file, lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
