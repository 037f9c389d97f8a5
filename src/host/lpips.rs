//! LPIPS v0.1 on SqueezeNet 1.1 (Zhang 2018, "The Unreasonable Effectiveness of Deep Features"): as a metric, and as a loss.
//!
//! `d(a, b) = Σ_l mean_{x,y} Σ_c w_lc · (f̂_l(a) − f̂_l(b))²`, with f̂ the features of layer l, each pixel's divided by their
//! length. Pictures are red, green and blue of 0..1.

use super::ops::unit_distance;
use super::precision::Precision;
use super::trunk::{Trunk, tensors};
use crate::error::{Error, Result};
use crate::evaluate::Picture;
use candle_core::{Device, Tensor};
use std::path::Path;

/// The trunk's file in a folder of weights.
const TRUNK: &str = "squeezenet1_1.safetensors";
/// The linear heads' file.
const HEADS: &str = "lpips_squeeze_heads_v0.1.safetensors";

/// The metric with its weights.
#[derive(Debug)]
pub struct Lpips {
    trunk: Trunk,
    /// A weight a channel for each tap.
    heads: Vec<Vec<f32>>,
    device: Device,
}

impl Lpips {
    /// The smallest side of which SqueezeNet's last pooling leaves something.
    pub const SIDE: usize = 35;

    /// Whether `folder` holds the weights.
    pub fn at_hand(folder: &Path) -> bool {
        folder.join(TRUNK).is_file() && folder.join(HEADS).is_file()
    }

    /// Reads trunk and heads from `folder`.
    ///
    /// # Errors
    /// An I/O error; a model error where a file holds other tensors.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let trunk = Trunk::squeezenet(&folder.join(TRUNK), device)?;
        let path = folder.join(HEADS);
        let table = tensors(&path)?;
        let heads = trunk.taps.iter().enumerate().map(|(n, (_, value))| {
            let channels = trunk.graph.channels(*value);
            let name = format!("lin{n}.model.1.weight");
            let weights = table.get(&name).filter(|(_, weights)| weights.len() == channels);
            let (_, weights) = weights.ok_or_else(|| {
                Error::model(format!("'{name}' of {channels} numbers is missing"))
                    .fix("give the linear heads of LPIPS v0.1 for SqueezeNet")
                    .at(path.display())
            })?;
            Ok(weights.clone())
        });
        let heads = heads.collect::<Result<_>>()?;
        Ok(Self { trunk, heads, device: device.clone() })
    }

    /// The same with its trunk computing in `precision`: for learning, not for measuring.
    #[must_use]
    pub fn in_precision(mut self, precision: Precision) -> Self {
        self.trunk.precision = precision;
        self
    }

    fn features(&self, picture: &Tensor) -> candle_core::Result<Vec<Tensor>> {
        let values: Vec<_> = self.trunk.taps.iter().map(|(_, value)| *value).collect();
        self.trunk.features(picture, &values)
    }

    /// The distances of pictures `[batch, 3, height, width]`, averaged over the batch. The gradient goes into `a` alone.
    ///
    /// # Errors
    /// Where pictures are smaller than [`Lpips::SIDE`] or the device fails.
    pub fn distance(&self, a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for ((a, b), head) in self.features(a)?.iter().zip(self.features(b)?).zip(&self.heads) {
            let share = unit_distance(a, &b, head)?;
            sum = Some(match sum {
                None => share,
                Some(sum) => (sum + share)?,
            });
        }
        sum.ok_or_else(|| candle_core::Error::Msg("a trunk without taps".into()))
    }

    /// The distance of two pictures of one size.
    ///
    /// # Errors
    /// Where they are too small or differ in size.
    pub fn between(&self, a: &Picture, b: &Picture) -> Result<f64> {
        let tensor = |picture: &Picture| -> Result<Tensor> {
            let planes: Vec<f32> = picture.planes().into_iter().flat_map(|plane| plane.data).collect();
            let (height, width) = (picture.size.height, picture.size.width);
            Ok(Tensor::from_vec(planes, (1, 3, height, width), &self.device)?)
        };
        Ok(f64::from(self.distance(&tensor(a)?, &tensor(b)?)?.to_scalar::<f32>()?))
    }
}
