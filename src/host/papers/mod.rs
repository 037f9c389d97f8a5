//! The papers' networks, one paper a file; each says what its equation is and which points are easily got wrong.
//!
//! Where nothing is chosen, for ×4; products are multiply-adds for one low-resolution pixel, the base picture's left out:
//!
//! | name | channels | blocks | colour | parameters | products | runs on the device |
//! |---|---|---|---|---|---|---|
//! | `edge` | 32 | 10 | luma | 97,424 | 97,056 | engine |
//! | `separable` | 32 | 10 of two parts | luma | 18,704 | 18,016 | engine, as dense kernels |
//! | `srcnn` | 64 | 5: the middle kernel | luma | 57,281 | 914,944 | engine |
//! | `espcn` | 64 | none | luma | 24,752 | 24,640 | tanh on tract |
//! | `vdsr` | 64 | 18 between first and last | luma | 665,921 | 10,635,264 | engine |
//! | `drcn` | 256 | 16 recursions | luma | 1,775,121 | 312,053,760 | engine |
//! | `srresnet` | 64 | 16 | RGB | 1,548,547 | 2,218,176 | engine |
//! | `enhancenet` | 64 | 10 | RGB | 852,867 | 2,093,760 | engine |
//! | `edsr` | 64 | 16 | RGB | 1,517,571 | 1,983,168 | engine |
//! | `mdsr` | 64 | 80 | RGB | 7,953,987 | 7,111,360 | engine |
//! | `rcan` | 64 | 200 in groups of 20 | RGB | 15,592,355 | 15,917,760 | attention on tract |
//! | `esrgan` | 64 | 23 | RGB | 16,697,987 | 17,926,848 | engine |

use super::graph::{Graph, Value};
use crate::card::Colour;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

mod drcn;
mod edge;
mod edsr;
mod enhance;
mod espcn;
mod rcan;
mod rrdb;
mod separable;
mod srcnn;
mod srgan;
mod vdsr;

pub use edge::rgb_twin;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

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
    /// Its blocks, or what stands for them in its paper.
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
    /// Its last features at the input's resolution, which a teacher shows and a pupil imitates; none where it works on the
    /// enlarged picture alone, or each head has its own.
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

/// He's deviation times this is 1/√(3 · fan-in), what PyTorch starts a convolution from and with it the authors' code of networks
/// whose residuals nothing normalises; from He's own, they would grow block by block.
const PYTORCH: f64 = 0.408_248_290_463_863;

/// Enlargement by `scale` in steps: ×4 is ×2 twice.
const fn steps(scale: usize) -> &'static [usize] {
    match scale {
        4 => &[2, 2],
        2 => &[2],
        _ => &[3],
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
    /// The numbers of blocks that it can have; any where none are said.
    only: &'static [usize],
}

const PAPERS: &[Paper] = &[
    Paper {
        name: "edge",
        title: "3x3 convolutions and ReLU beside a bilinear base, for cameras",
        channels: 32,
        blocks: 10,
        colour: Colour::Luma,
        build: edge::generator,
        only: &[],
    },
    Paper {
        name: "separable",
        title: "the camera network with depthwise and pointwise convolutions (Howard 2017)",
        channels: 32,
        blocks: 10,
        colour: Colour::Luma,
        build: separable::generator,
        only: &[],
    },
    Paper {
        name: "srcnn",
        title: "SRCNN, three layers on the bicubic enlargement; blocks is the middle kernel (Dong 2016)",
        channels: 64,
        blocks: 5,
        colour: Colour::Luma,
        build: srcnn::generator,
        only: &[1, 3, 5],
    },
    Paper {
        name: "espcn",
        title: "ESPCN, three layers and the pixel shuffle (Shi 2016)",
        channels: 64,
        blocks: 1,
        colour: Colour::Luma,
        build: espcn::generator,
        only: &[],
    },
    Paper {
        name: "vdsr",
        title: "VDSR, 20 layers beside the bicubic enlargement (Kim 2016)",
        channels: 64,
        blocks: 18,
        colour: Colour::Luma,
        build: vdsr::generator,
        only: &[],
    },
    Paper {
        name: "drcn",
        title: "DRCN, 16 recursions of one convolution (Kim 2016)",
        channels: 256,
        blocks: 16,
        colour: Colour::Luma,
        build: drcn::generator,
        only: &[],
    },
    Paper {
        name: "srresnet",
        title: "SRResNet, the generator of SRGAN (Ledig 2017)",
        channels: 64,
        blocks: 16,
        colour: Colour::Rgb,
        build: srgan::generator,
        only: &[],
    },
    Paper {
        name: "enhancenet",
        title: "the generator of EnhanceNet (Sajjadi 2017)",
        channels: 64,
        blocks: 10,
        colour: Colour::Rgb,
        build: enhance::generator,
        only: &[],
    },
    Paper {
        name: "edsr",
        title: "EDSR, the baseline; with 256 channels and 32 blocks the large one (Lim 2017)",
        channels: 64,
        blocks: 16,
        colour: Colour::Rgb,
        build: edsr::generator,
        only: &[],
    },
    Paper {
        name: "mdsr",
        title: "MDSR, one network for x2, x3 and x4 (Lim 2017)",
        channels: 64,
        blocks: 80,
        colour: Colour::Rgb,
        build: edsr::multiple,
        only: &[],
    },
    Paper {
        name: "rcan",
        title: "RCAN, residual channel attention (Zhang 2018)",
        channels: 64,
        blocks: 200,
        colour: Colour::Rgb,
        build: rcan::generator,
        only: &[],
    },
    Paper {
        name: "esrgan",
        title: "RRDB, the generator of ESRGAN (Wang 2018)",
        channels: 64,
        blocks: 23,
        colour: Colour::Rgb,
        build: rrdb::generator,
        only: &[],
    },
];

/// Names and titles of the generators that can be trained.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAPERS.iter().map(|paper| (paper.name, paper.title))
}

/// Builds the generator of `choice`.
///
/// # Errors
/// A usage error where there is none of that name, or a number is out of range; a limit error where it would be too large.
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
        Options { blocks, .. } if !paper.only.is_empty() && !paper.only.contains(&blocks) => {
            let known: Vec<String> = paper.only.iter().map(ToString::to_string).collect();
            complain("the network cannot have that many blocks", &format!("choose one of {}", known.join(", ")))
        }
        _ => {
            let generator = (paper.build)(options);
            bounded(&generator.graph)?;
            Ok(generator)
        }
    }
}

/// Builds the discriminator `name` for crops of `crop × crop` pixels, `channels` wide at first; it gives logits, one a
/// picture or a map of them.
///
/// # Errors
/// A usage error where there is none of that name or the crop does not fit; a limit error where it would be too large.
pub fn discriminator(name: &str, channels: usize, crop: usize) -> Result<Graph> {
    if !(1..=512).contains(&channels) || !(16..=1024).contains(&crop) {
        return Err(Error::usage("the discriminator's channels or its crop are out of range")
            .fix("choose 1 to 512 channels and crops of 16 to 1024 pixels"));
    }
    let graph = match name {
        "srgan" => srgan::discriminator(channels, crop),
        "enhancenet" => enhance::discriminator(channels, crop),
        "patch" => edge::discriminator(channels),
        "vgg128" if !crop.is_multiple_of(32) => {
            return Err(Error::usage(format!("vgg128 cannot judge crops of {crop} pixels"))
                .fix("choose a patch whose enlargement is a multiple of 32 pixels, such as 128"));
        }
        "vgg128" => rrdb::discriminator(channels, crop),
        _ => {
            return Err(Error::usage(format!("there is no discriminator '{name}'"))
                .fix("choose srgan, vgg128, enhancenet or patch"));
        }
    };
    bounded(&graph)?;
    Ok(graph)
}

/// Most numbers that a network learns: six times those of the largest of the papers, 1 GiB.
const MOST: u64 = 1 << 28;

/// Refuses networks that would not fit into memory, before any of it is taken.
fn bounded(graph: &Graph) -> Result<()> {
    let learned = graph.trained();
    if learned <= MOST {
        return Ok(());
    }
    Err(Error::limit(format!("a network of {learned} numbers is larger than the {MOST} that are allowed"))
        .fix("choose fewer channels or blocks, or smaller patches"))
}
