//! Any finished network as an artefact: the graph, its weights, and what the device's own analysis says of them.

use super::Artefact;
use crate::card::{Card, METADATA_KEY};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::host::graph::{Mode, Output, to_onnx};
use crate::host::recipe::Finished;
use crate::onnx::proto::ModelProto;
use crate::onnx::{self, Limits};
use crate::session::{Overrides, TractGenerator};
use crate::upscale::Generator as _;
use candle_core::{Device, Tensor};

/// How far an exported network may be from candle's forward pass, on samples of 0..1.
const NETWORK_TOLERANCE: f32 = 2e-4;

/// The graph of `finished` at `scale`, without a card.
fn graph(finished: &Finished, scale: usize) -> Result<ModelProto> {
    let (generator, weights) = finished.open(&Device::Cpu)?;
    let numbers = weights.iter().map(|tensor| Ok(tensor.flatten_all()?.to_vec1()?)).collect::<Result<Vec<_>>>()?;
    let output = Output { value: generator.head(scale)?.value, planes: generator.colour.planes() };
    Ok(to_onnx(&generator.graph, &numbers, output)?.finish())
}

impl Artefact {
    /// Exports `finished` at `scale` under `name`; with `from`, other weights of the same network, the file can be blended
    /// between the two.
    ///
    /// # Errors
    /// A usage error where the network has no such scale; a model error where `from` is of another network, or the device
    /// refuses the graph.
    pub fn network(finished: &Finished, scale: usize, from: Option<&Finished>, name: &str) -> Result<Self> {
        let mut model = graph(finished, scale)?;
        let mut training = finished.training.clone();
        if let Some(from) = from {
            onnx::blend::embed(&mut model, &graph(from, scale)?)?;
            training.extend(from.training.iter().map(|(key, value)| (format!("other_end.{key}"), value.clone())));
        }
        let found = TractGenerator::from_bytes(name, &model.to_bytes(), &Overrides::default(), Limits::default())?;
        let card =
            Card { name: name.into(), training, digest: String::new(), range: [0.0, 1.0], ..found.card().clone() };
        Self::of(model, card)
    }

    /// The same network at `alpha` between its two ends, with that one alone: the very weights that the device blends.
    ///
    /// # Errors
    /// Those of [`onnx::blend::blend`].
    pub fn blended(self, alpha: f32) -> Result<Self> {
        let mut model = onnx::read(&self.model, &Limits::default())?;
        onnx::blend::blend(&mut model, alpha)?;
        model.metadata_props.retain(|entry| entry.key != onnx::blend::KEY && entry.key != METADATA_KEY);
        let mut card = Card { digest: String::new(), ..self.card };
        card.training.insert("alpha".into(), alpha.to_string());
        Self::of(model, card)
    }

    /// Runs the file as the device will and returns how far it is from what candle makes of `finished` at most.
    ///
    /// # Errors
    /// A model error where it is refused, an internal one where the difference is more than 2e-4 of the largest sample.
    pub fn verify_network(&self, finished: &Finished, scale: usize) -> Result<f32> {
        let (network, weights) = finished.open(&Device::Cpu)?;
        let (head, planes) = (network.head(scale)?, network.colour.planes());
        let generator =
            TractGenerator::from_bytes(&self.card.name, &self.model, &Overrides::default(), Limits::default())?;
        let size = Size::new(29, 18);
        let input = super::probe(size, network.colour);
        let x = Tensor::from_slice(&input, (1, planes, size.height, size.width), &Device::Cpu)?;
        let made = network.graph.forward(&weights, &x, &[head.value], Mode::Judging)?.first()?;
        let made: Vec<f32> = made.flatten_all()?.to_vec1()?;
        let mut output = vec![0.0; made.len()];
        generator.plan(size)?.run(&input, &mut output)?;
        let spread = made.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        let worst = output.iter().zip(&made).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max) / spread;
        if worst <= NETWORK_TOLERANCE {
            return Ok(worst);
        }
        Err(Error::internal(format!(
            "the exported file differs from its network by {worst:e}, more than {NETWORK_TOLERANCE:e}: it was not written"
        )))
    }
}
