//! What a recipe's losses cost, and the frozen networks that they look through.

use super::{Features, Recipe};
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
    recipe: Recipe,
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
        Ok(Self { recipe: recipe.clone(), lpips, views: views.into_iter().map(|(_, view)| view).collect() })
    }

    /// The weighted losses of `made` against `real`, `[batch, 3, height, width]` of 0..1.
    ///
    /// # Errors
    /// Where patches are too small for a trunk or the device fails.
    pub fn costs(&self, made: &Tensor, real: &Tensor) -> candle_core::Result<Vec<Cost>> {
        let (losses, mut costs) = (&self.recipe.loss, Vec::new());
        if let Some(pixel) = losses.pixel.as_ref().filter(|pixel| pixel.weight > 0.0) {
            costs.push(("pixel", (pixel.kind.mean(made, real)? * pixel.weight)?));
        }
        if let Some(lpips) = &self.lpips {
            costs.push(("lpips", (lpips.distance(made, real)? * losses.lpips)?));
        }
        for view in &self.views {
            let values: Vec<_> = view.compared.iter().map(|(value, _)| *value).collect();
            let (made, real) = (view.trunk.features(made, &values)?, view.trunk.features(real, &values)?);
            for (((_, features), made), real) in view.compared.iter().zip(made).zip(real) {
                let (made, real) = ((made * features.factor)?, (real * features.factor)?);
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

/// Gram matrices `F Fᵀ / area` of patches of 16 × 16 samples of the features `[batch, channels, height, width]`.
fn gram(features: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, channels, height, width) = features.dims4()?;
    let side = 16.min(height).min(width);
    let laid = unfold(features, Patches { side, stride: side, padding: 0 })?;
    let count = laid.dim(2)?;
    let patches = laid.reshape((batch, channels, side * side, count))?.permute((0, 3, 1, 2))?.contiguous()?;
    let patches = patches.reshape((batch * count, channels, side * side))?;
    patches.matmul(&patches.transpose(1, 2)?.contiguous()?)? / (side * side) as f64
}
