//! What a recipe's losses cost, and the frozen networks that they look through.

use super::picture::Painter;
use super::{Features, Losses, Pixel, Recipe};
use crate::error::{Error, Result};
use crate::host::lpips::Lpips;
use crate::host::ops::{Patches, unfold};
use crate::host::trunk::{Kind, Trunk};
use candle_core::{Device, Tensor};
use std::path::{Path, PathBuf};

/// Where frozen weights are.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A folder with the perceptual weights.
    pub folder: Option<PathBuf>,
    /// torchvision's VGG-19, where it is not in the folder.
    pub vgg: Option<PathBuf>,
}

impl Sources {
    fn trunk(&self, kind: Kind) -> Result<PathBuf> {
        let name = match kind {
            Kind::Vgg19 => "vgg19.safetensors",
            Kind::Vgg19Conv31 => "vgg19_conv3_1_normalised.safetensors",
            Kind::Vgg19Distilled => "vgg19_distilled16x_conv5_1.safetensors",
        };
        let own = self.vgg.clone().filter(|_| kind == Kind::Vgg19);
        own.or_else(|| self.folder.as_ref().map(|folder| folder.join(name))).ok_or_else(|| {
            let how =
                if kind == Kind::Vgg19 { "give it with --vgg FILE" } else { "give its folder with --weights DIR" };
            Error::usage(format!("the recipe compares features of {name}")).fix(how)
        })
    }

    fn lpips(&self) -> Result<&Path> {
        self.folder.as_deref().ok_or_else(|| {
            Error::usage("the recipe measures LPIPS").fix("give the folder of its weights with --weights DIR")
        })
    }
}

/// One trunk and what is compared in it.
#[derive(Debug)]
struct View {
    trunk: Trunk,
    compared: Vec<(crate::host::graph::Value, Features)>,
}

/// The losses that do not depend on anyone's learning.
#[derive(Debug)]
pub struct Objective {
    losses: Losses,
    lpips: Option<Lpips>,
    views: Vec<View>,
}

/// A loss by name, weighted.
pub(super) type Cost = (&'static str, Tensor);

impl Objective {
    /// Opens the frozen networks that `recipe` needs.
    ///
    /// # Errors
    /// A usage error where one is not at hand; those of [`Trunk::open`].
    pub fn open(recipe: &Recipe, sources: &Sources, device: &Device) -> Result<Self> {
        let lpips = if recipe.loss.lpips > 0.0 {
            Some(Lpips::open(sources.lpips()?, device)?.in_precision(recipe.precision))
        } else {
            None
        };
        let mut views: Vec<(Kind, View)> = Vec::new();
        for features in &recipe.loss.features {
            let known = views.iter().position(|(kind, _)| *kind == features.trunk);
            let place = if let Some(place) = known {
                place
            } else {
                let mut trunk = Trunk::open(features.trunk, &sources.trunk(features.trunk)?, device)?;
                trunk.precision = recipe.precision;
                views.push((features.trunk, View { trunk, compared: Vec::new() }));
                views.len() - 1
            };
            let view = &mut views[place].1;
            let value = view.trunk.tap(&features.layer)?;
            view.compared.push((value, features.clone()));
        }
        Ok(Self { losses: recipe.loss.clone(), lpips, views: views.into_iter().map(|(_, view)| view).collect() })
    }

    /// The weighted losses of `made` against `real`, `[batch, 3, height, width]` of 0..1, which `painter` made.
    ///
    /// # Errors
    /// Where patches are too small for a trunk or the device fails.
    pub fn costs(&self, made: &Tensor, real: &Tensor, painter: &Painter) -> candle_core::Result<Vec<Cost>> {
        let (losses, mut costs) = (&self.losses, Vec::new());
        if let Some(pixel) = losses.pixel.as_ref().filter(|pixel| pixel.weight > 0.0) {
            costs.push(("pixel", pixel.cost(made, real, painter)?));
        }
        if let Some(lpips) = &self.lpips {
            costs.push(("lpips", (lpips.distance(made, real)? * losses.lpips)?));
        }
        for view in &self.views {
            let values: Vec<_> = view.compared.iter().map(|(value, _)| *value).collect();
            let (made, real) = (view.trunk.features(made, &values)?, view.trunk.features(real, &values)?);
            for (((_, features), made), real) in view.compared.iter().zip(made).zip(real) {
                let (made, real) = (features.seen(&made)?, features.seen(&real)?);
                if features.weight > 0.0 {
                    costs.push(("features", (features.kind.mean(&made, &real)? * features.weight)?));
                }
                if features.texture > 0.0 {
                    costs.push(("texture", ((gram(&made)? - gram(&real)?)?.sqr()?.mean_all()? * features.texture)?));
                }
            }
        }
        Ok(costs)
    }
}

impl Pixel {
    /// Its weighted mean over pictures `[batch, 3, height, width]`, or over their luma.
    pub(super) fn cost(&self, made: &Tensor, real: &Tensor, painter: &Painter) -> candle_core::Result<Tensor> {
        let mean = if self.luma {
            self.kind.mean(&painter.luma(made)?, &painter.luma(real)?)?
        } else {
            self.kind.mean(made, real)?
        };
        mean * self.weight
    }
}

impl Features {
    /// What is compared of a trunk's features `[batch, channels, height, width]`.
    fn seen(&self, features: &Tensor) -> candle_core::Result<Tensor> {
        let features = (features * self.factor)?;
        if !self.unit_mean {
            return Ok(features);
        }
        let mean = features.flatten_from(1)?.mean_keepdim(1)?.unsqueeze(2)?.unsqueeze(3)?;
        features.broadcast_div(&(mean + 1e-12)?)
    }
}

/// Gram matrices `F Fᵀ` of patches of 16 × 16 samples of the features `[batch, channels, height, width]`.
fn gram(features: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, channels, height, width) = features.dims4()?;
    let side = 16.min(height).min(width);
    let laid = unfold(features, Patches { side, stride: side, padding: 0 })?;
    let count = laid.dim(2)?;
    let patches = laid.reshape((batch, channels, side * side, count))?.permute((0, 3, 1, 2))?.contiguous()?;
    let patches = patches.reshape((batch * count, channels, side * side))?;
    patches.matmul(&patches.transpose(1, 2)?.contiguous()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::card::Colour;
    use crate::geometry::Size;
    use crate::host::loss::Loss;

    fn wave(shape: &[usize], step: f32) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|n| (n as f32 * step).sin() + 1.5).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Each picture's own mean, then Gram matrices of four patches a picture, by numpy:
    /// ```python
    /// import numpy as np
    /// def wave(s, step): return (np.sin(np.arange(np.prod(s)) * step) + 1.5).reshape(s)
    /// def unit(x): return x / x.mean((1, 2, 3), keepdims=True)
    /// def gram(x):
    ///     p = x.reshape(2, 3, 2, 16, 2, 16).transpose(0, 2, 4, 1, 3, 5).reshape(8, 3, 256)
    ///     return p @ p.transpose(0, 2, 1)
    /// a, b = unit(wave((2, 3, 32, 32), .37)), unit(wave((2, 3, 32, 32), .11))
    /// print(((a - b) ** 2).mean(), ((gram(a) - gram(b)) ** 2).mean())
    /// ```
    #[test]
    fn features_of_mean_one_and_their_textures_equal_numpy() {
        let features = Features {
            trunk: Kind::Vgg19,
            layer: "pool2".into(),
            factor: 7.0,
            kind: Loss::L2,
            weight: 1.0,
            unit_mean: true,
            texture: 1.0,
        };
        let [a, b] = [0.37, 0.11].map(|step| features.seen(&wave(&[2, 3, 32, 32], step)).unwrap());
        let square = |a: Tensor, b: Tensor| (a - b).unwrap().sqr().unwrap().mean_all().unwrap();
        let number = |tensor: Tensor| tensor.to_scalar::<f32>().unwrap();
        let texture = number(square(gram(&a).unwrap(), gram(&b).unwrap()));
        let mean = number(square(a, b));
        assert!((mean - MEAN).abs() < 1e-4 * MEAN, "{mean}");
        assert!((texture - TEXTURE).abs() < 1e-3 * TEXTURE, "{texture}");
    }

    const MEAN: f32 = 0.443_219_4;
    const TEXTURE: f32 = 3_529.652;

    #[test]
    fn a_loss_of_luma_does_not_see_chroma() {
        let painter = Painter::new(Colour::Luma, Size::new(4, 4), 2, &Device::Cpu).unwrap();
        let real = wave(&[1, 3, 8, 8], 0.3);
        // As much red as takes back what the blue adds to luma.
        let change = Tensor::new(&[-0.114f32, 0.0, 0.299], &Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap();
        let made = real.broadcast_add(&change).unwrap();
        let cost = |luma| Pixel { kind: Loss::L1, weight: 2.0, luma }.cost(&made, &real, &painter).unwrap();
        let cost = |luma| cost(luma).to_scalar::<f32>().unwrap();
        assert!(cost(true) < 1e-6, "{}", cost(true));
        assert!((cost(false) - 2.0 * 0.413 / 3.0).abs() < 1e-5, "{}", cost(false));
    }
}
