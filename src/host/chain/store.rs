//! A chain as a safetensors file: `layer.0.weight` `[outputs, inputs, 3, 3]`, `layer.0.bias` `[outputs]` and so on, float32;
//! the metadata entry `upres.chain` holds `{"scale": …, "recipe": {…}}` as JSON.

use super::{Chain, Layer};
use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How a network was trained: free text by key, kept from training to the model card.
pub type Recipe = BTreeMap<String, String>;

/// The metadata entry that tells a chain's file from any other safetensors file.
const KEY: &str = "upres.chain";
/// Largest file that is read: far above any chain this program makes.
const MAX_BYTES: u64 = 64 << 20;
/// Most layers that are read.
const MAX_LAYERS: usize = 256;

#[derive(Serialize, Deserialize)]
struct Header {
    scale: usize,
    #[serde(default)]
    recipe: Recipe,
}

impl Chain {
    /// The bytes of the safetensors file; the same chain and recipe always give the same bytes.
    pub fn to_bytes(&self, recipe: &Recipe) -> Result<Vec<u8>> {
        self.validate()?;
        let complain = |e: &dyn std::fmt::Display| Error::internal(format!("weights cannot be written: {e}"));
        let header = Header { scale: self.scale, recipe: recipe.clone() };
        let header = serde_json::to_string(&header).map_err(|e| complain(&e))?;
        let mut tensors = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            tensors.push((format!("layer.{i}.weight"), vec![layer.outputs, layer.inputs, 3, 3], bytes(&layer.weight)));
            tensors.push((format!("layer.{i}.bias"), vec![layer.outputs], bytes(&layer.bias)));
        }
        let views = tensors
            .iter()
            .map(|(name, shape, data)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| complain(&e))?;
        safetensors::serialize(views, Some(HashMap::from([(KEY.into(), header)]))).map_err(|e| complain(&e))
    }

    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    /// A model error where it is no chain, is damaged, or holds anything but finite numbers.
    pub fn from_bytes(data: &[u8]) -> Result<(Self, Recipe)> {
        let damaged = |e: safetensors::SafeTensorError| Error::model("not a safetensors file").caused_by(e);
        let (_, metadata) = SafeTensors::read_metadata(data).map_err(damaged)?;
        let header = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
            Error::model("these tensors are not a merged chain").fix("give weights that `upres-host train` wrote")
        })?;
        let header: Header = serde_json::from_str(header)
            .map_err(|e| Error::model(format!("the entry '{KEY}' is damaged")).caused_by(e))?;
        let tensors = SafeTensors::deserialize(data).map_err(damaged)?;
        if !(1..=8).contains(&header.scale) {
            return Err(Error::model(format!("scale {} is not between 1 and 8", header.scale)));
        }
        let count = tensors.len() / 2;
        if tensors.len() % 2 != 0 || count > MAX_LAYERS {
            return Err(Error::model(format!("{} tensors are not the weights and biases of a chain", tensors.len())));
        }
        let layers = (0..count).map(|i| layer(&tensors, i)).collect::<Result<_>>()?;
        let chain = Self { scale: header.scale, layers };
        chain.validate()?;
        Ok((chain, header.recipe))
    }

    /// Reads a safetensors file: see [`Chain::from_bytes`].
    pub fn load(path: &Path) -> Result<(Self, Recipe)> {
        let refuse = |e| Error::io("cannot read", path, e);
        let length = std::fs::metadata(path).map_err(refuse)?.len();
        if length > MAX_BYTES {
            return Err(Error::limit(format!("{length} bytes are more than the {MAX_BYTES} allowed for weights"))
                .at(path.display()));
        }
        Self::from_bytes(&std::fs::read(path).map_err(refuse)?).map_err(|e| e.at(path.display()))
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn layer(tensors: &SafeTensors<'_>, index: usize) -> Result<Layer> {
    let (weight_shape, weight) = floats(tensors, &format!("layer.{index}.weight"))?;
    let (_, bias) = floats(tensors, &format!("layer.{index}.bias"))?;
    match weight_shape[..] {
        [outputs, inputs, 3, 3] => Ok(Layer { inputs, outputs, weight, bias }),
        _ => Err(Error::model(format!("layer.{index}.weight of shape {weight_shape:?} is no 3x3 convolution"))),
    }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let view = tensors.tensor(name).map_err(|_| Error::model(format!("the tensor '{name}' is missing")))?;
    if view.dtype() != Dtype::F32 {
        return Err(Error::model(format!("'{name}' holds {:?}, not F32", view.dtype())));
    }
    let (values, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|&b| f32::from_le_bytes(b)).collect();
    if !values.iter().all(|v| v.is_finite()) {
        return Err(Error::model(format!("'{name}' holds numbers that are not finite"))
            .fix("train again from an earlier checkpoint"));
    }
    Ok((view.shape().to_vec(), values))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_written_the_same() {
        let chain = Chain::sketch(2, &[3]);
        let recipe = Recipe::from([("steps".into(), "100".into()), ("data".into(), "train".into())]);
        let bytes = chain.to_bytes(&recipe).unwrap();
        assert_eq!(Chain::from_bytes(&bytes).unwrap(), (chain.clone(), recipe.clone()));
        assert_eq!(chain.to_bytes(&recipe).unwrap(), bytes);
    }

    #[test]
    fn damage_is_named_and_never_panics() {
        let bytes = Chain::sketch(2, &[3]).to_bytes(&Recipe::new()).unwrap();
        for end in 0..bytes.len() {
            assert!(Chain::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        let broken = |change: &dyn Fn(&mut Chain)| {
            let mut chain = Chain::sketch(2, &[3]);
            change(&mut chain);
            let bytes = chain.to_bytes(&Recipe::new());
            bytes.and_then(|b| Chain::from_bytes(&b)).unwrap_err().to_string()
        };
        assert!(broken(&|c| c.layers[1].bias[0] = f32::NAN).contains("layer.1.bias"), "not finite");
        assert!(broken(&|c| c.layers[1].inputs = 4).contains("layer 1"), "shape");
        assert!(broken(&|c| c.scale = 9).contains("shuffled by 9"), "scale");
        let other = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap();
        assert!(Chain::from_bytes(&other).unwrap_err().to_string().contains("not a merged chain"));
    }
}
