//! The papers' networks, one paper a file; each says what its equation is and which points are easily got wrong.

use super::graph::{Graph, Value};
use crate::card::Colour;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

mod edge;
mod srgan;

pub use edge::rgb_twin;

#[cfg(test)]
pub(crate) mod testing;

/// A network by name, with what may be chosen about it; what is left out is the paper's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its name: see [`names`].
    pub name: String,
    /// Enlargement; 4 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<usize>,
    /// Channels of its hidden layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Its blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<usize>,
    /// What it sees, where it can be either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
}

impl Choice {
    /// The paper's own network of that name.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), scale: None, channels: None, blocks: None, colour: None }
    }
}

/// What a network is built by: a [`Choice`] with every blank filled.
#[derive(Debug, Clone, Copy)]
struct Options {
    scale: usize,
    channels: usize,
    blocks: usize,
    colour: Colour,
}

/// One enlargement that a generator gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Output pixels for each input pixel along a side.
    pub scale: usize,
    /// Its value: a picture of samples from 0 to 1.
    pub value: Value,
}

/// A generator: low-resolution planes of 0..1 in, high-resolution planes of 0..1 out.
#[derive(Debug, Clone)]
pub struct Generator {
    /// The network.
    pub graph: Graph,
    /// What it sees.
    pub colour: Colour,
    /// Its enlargements; nearly always one.
    pub heads: Vec<Head>,
    /// Further pictures of the first head's scale that its paper trains as well.
    pub supervised: Vec<Value>,
    /// Its last features at the input's resolution, which a teacher shows and a pupil imitates.
    pub hidden: Option<Value>,
}

impl Generator {
    fn single(mut graph: Graph, colour: Colour, scale: usize, value: Value) -> Self {
        graph.outputs = vec![value];
        Self { graph, colour, heads: vec![Head { scale, value }], supervised: Vec::new(), hidden: None }
    }

    fn with_hidden(self, hidden: Value) -> Self {
        Self { hidden: Some(hidden), ..self }
    }

    /// The head for `scale`.
    ///
    /// # Errors
    /// A usage error where it has none.
    pub fn head(&self, scale: usize) -> Result<Head> {
        let scales: Vec<String> = self.heads.iter().map(|head| format!("x{}", head.scale)).collect();
        self.heads.iter().find(|head| head.scale == scale).copied().ok_or_else(|| {
            Error::usage(format!("this network has no x{scale}")).fix(format!("it gives {}", scales.join(", ")))
        })
    }
}

type Build = fn(Options) -> Generator;

/// A paper's generator: name, the paper, what it is built with where nothing is chosen (channels, blocks, colour), builder.
struct Paper {
    name: &'static str,
    title: &'static str,
    channels: usize,
    blocks: usize,
    colour: Colour,
    build: Build,
}

const PAPERS: &[Paper] = &[
    Paper {
        name: "edge",
        title: "3x3 convolutions and ReLU beside a bilinear base, for cameras",
        channels: 32,
        blocks: 10,
        colour: Colour::Luma,
        build: edge::generator,
    },
    Paper {
        name: "srresnet",
        title: "SRResNet, the generator of SRGAN (Ledig 2017)",
        channels: 64,
        blocks: 16,
        colour: Colour::Rgb,
        build: srgan::generator,
    },
];

/// Names and titles of the generators that can be trained.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAPERS.iter().map(|paper| (paper.name, paper.title))
}

/// Builds the generator of `choice`.
///
/// # Errors
/// A usage error where there is none of that name, or a number is out of range.
pub fn generator(choice: &Choice) -> Result<Generator> {
    let Some(paper) = PAPERS.iter().find(|paper| paper.name == choice.name) else {
        let known: Vec<&str> = PAPERS.iter().map(|paper| paper.name).collect();
        return Err(Error::usage(format!("there is no network '{}'", choice.name))
            .fix(format!("choose one of {}", known.join(", "))));
    };
    let options = Options {
        scale: choice.scale.unwrap_or(4),
        channels: choice.channels.unwrap_or(paper.channels),
        blocks: choice.blocks.unwrap_or(paper.blocks),
        colour: choice.colour.unwrap_or(paper.colour),
    };
    let complain = |what: &str, fix: &str| Err(Error::usage(what.to_string()).fix(fix.to_string()));
    match options {
        Options { scale: 0..=1 | 5.., .. } => complain("this scale cannot be trained", "choose 2, 3 or 4"),
        Options { channels: 0 | 1025.., .. } => complain("the number of channels is out of range", "choose 1 to 1024"),
        Options { blocks: 257.., .. } => complain("that many blocks is out of range", "choose at most 256"),
        _ => Ok((paper.build)(options)),
    }
}

/// Builds the discriminator `name` for crops of `crop × crop` pixels, `channels` wide at first; it gives logits, one a
/// picture or a map of them.
///
/// # Errors
/// A usage error where there is none of that name or the crop does not fit.
pub fn discriminator(name: &str, channels: usize, crop: usize) -> Result<Graph> {
    if !(1..=512).contains(&channels) || !(16..=1024).contains(&crop) {
        return Err(Error::usage("the discriminator's channels or its crop are out of range")
            .fix("choose 1 to 512 channels and crops of 16 to 1024 pixels"));
    }
    match name {
        "srgan" => Ok(srgan::discriminator(channels, crop)),
        "patch" => Ok(edge::discriminator(channels)),
        _ => Err(Error::usage(format!("there is no discriminator '{name}'")).fix("choose srgan or patch")),
    }
}
