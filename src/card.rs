//! The model card: everything a program must know about a generator before it runs it.
//!
//! The card is the only place that holds value range, colour, scale and halo. It stands beside the model as `card.toml`
//! and travels inside the `.onnx` as the metadata entry [`METADATA_KEY`] (the same card, as JSON), so one file is enough.

use crate::error::{Error, Result};
use crate::geometry::Size;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the ONNX metadata entry that holds the card.
pub const METADATA_KEY: &str = "upres.card";

/// What a generator is fed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// One plane: full-range BT.601 luma. Chroma is resampled beside it.
    Luma,
    /// Three planes: red, green, blue.
    Rgb,
}

impl Colour {
    /// Planes in, and planes out.
    pub const fn planes(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::Rgb => 3,
        }
    }
}

/// How the generator computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// Unsigned 8-bit activations, signed 8-bit weights.
    Int8,
}

/// Whether a picture may be cut into tiles, and how much they must overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tiling {
    /// Every output pixel depends on the input at most this many pixels away: the receptive-field radius, the halo.
    Halo(usize),
    /// Some operator looks at the whole picture: tiles would show. Holds the reason.
    Whole(String),
}

/// The card of one generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Short name, such as `medium-x4`.
    pub name: String,
    /// Output pixels for each input pixel, along each side: 1 to 16.
    pub scale: usize,
    /// Planes in and out.
    pub colour: Colour,
    /// The numbers that mean black and white to the network, such as [0, 1] or [0, 255].
    pub range: [f32; 2],
    /// Halo, or why there is none.
    pub tiling: Tiling,
    /// Arithmetic.
    pub precision: Precision,
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds for one low-resolution pixel.
    pub mac_per_pixel: f64,
    /// The only size the graph accepts, where it fixes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_size: Option<[usize; 2]>,
    /// Smallest side the graph accepts.
    #[serde(default = "one")]
    pub min_side: usize,
    /// Sides must be multiples of this, and so must the places where windows begin: what the network does inside such a
    /// block depends on where the block lies.
    #[serde(default = "one")]
    pub multiple: usize,
    /// SHA-256 of the `.onnx` file, lower-case hexadecimal; empty inside the file itself.
    #[serde(default)]
    pub digest: String,
    /// How it was trained: recipe, data, steps. Free text by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training: BTreeMap<String, String>,
    /// Scores: set name, then metric (`psnr_y`, `ssim_y`, and where they were measured `niqe`, `lpips`), then value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, BTreeMap<String, f64>>,
}

const fn one() -> usize {
    1
}

impl Card {
    /// Checks every field against what the programs can work with.
    pub fn validate(&self) -> Result<()> {
        let complain = |what: String| Err(Error::model(format!("card of '{}': {what}", self.name)));
        if !(1..=16).contains(&self.scale) {
            return complain(format!("scale {} is not between 1 and 16", self.scale));
        }
        let [black, white] = self.range;
        if !(black.is_finite() && white.is_finite() && black < white) {
            return complain(format!("value range [{black}, {white}] is not increasing"));
        }
        if let Tiling::Halo(halo) = self.tiling
            && halo > 4096
        {
            return complain(format!("a halo of {halo} pixels is larger than any tile"));
        }
        if self.min_side == 0 || self.min_side > 65536 {
            return complain(format!("smallest side {} is not between 1 and 65536", self.min_side));
        }
        if self.multiple == 0 || self.multiple > 1024 {
            return complain(format!("a multiple of {} is not between 1 and 1024", self.multiple));
        }
        if self.fixed_size.is_some_and(|[w, h]| w == 0 || h == 0 || w > 65536 || h > 65536) {
            return complain("its fixed size is empty or huge".into());
        }
        Ok(())
    }

    /// The one size the graph accepts, where it fixes one.
    pub fn fixed_size(&self) -> Option<Size> {
        self.fixed_size.map(|[width, height]| Size::new(width, height))
    }

    /// Reads a `card.toml`.
    pub fn from_toml(text: &str) -> Result<Self> {
        let card: Self = toml::from_str(text).map_err(|e| Error::model("the card is not valid TOML").caused_by(e))?;
        card.validate().map(|()| card)
    }

    /// Reads the JSON of the ONNX metadata.
    pub fn from_json(text: &str) -> Result<Self> {
        let card: Self = serde_json::from_str(text)
            .map_err(|e| Error::model("the card in the model's metadata is damaged").caused_by(e))?;
        card.validate().map(|()| card)
    }

    /// The text of a `card.toml`.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::internal("a card cannot be written as TOML").caused_by(e))
    }

    /// The JSON for the ONNX metadata.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a card cannot be written as JSON").caused_by(e))
    }
}
