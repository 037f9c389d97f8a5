//! Network interpolation (Wang 2018, equation 4) inside one file: the weights of a model's other end, from which its own are
//! reached by one factor α, travel in its metadata. Any other runtime runs the file as it is, at α = 1.
//!
//! The entry [`KEY`] holds, as base64, an ONNX graph of initializers alone: those of the other end, under the names that
//! they have in the graph itself.

use super::proto::{GraphProto, ModelProto, StringStringEntryProto, TensorProto, element};
use super::read::Limits;
use super::wire;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

/// Name of the metadata entry that holds the other end's weights.
pub const KEY: &str = "upres.other_end";

/// Puts the weights of `from` into the metadata of `model`, which must be the same graph.
///
/// # Errors
/// A model error where the two are not of one network.
pub fn embed(model: &mut ModelProto, from: &ModelProto) -> Result<()> {
    let (Some(graph), Some(from)) = (&model.graph, &from.graph) else {
        return Err(Error::model("a model without a graph cannot be blended"));
    };
    if graph.node != from.node {
        return Err(strangers());
    }
    // What is the same at both ends, such as the taps of a base, need not travel.
    let differs = |tensor: &&TensorProto| graph.initializer.iter().all(|own| own != *tensor);
    let initializer: Vec<_> = from.initializer.iter().filter(differs).cloned().collect();
    let end = GraphProto { initializer, ..GraphProto::default() };
    mix(graph, &end, 0.0)?;
    let value = STANDARD.encode(end.encode_to_vec());
    model.metadata_props.retain(|entry| entry.key != KEY);
    model.metadata_props.push(StringStringEntryProto { key: KEY.into(), value });
    Ok(())
}

/// Whether `model` brings another end.
pub fn can_blend(model: &ModelProto) -> bool {
    model.metadata_props.iter().any(|entry| entry.key == KEY)
}

/// Sets the weights of `model` to `(1 − alpha) · other end + alpha · own`, number by number.
///
/// # Errors
/// A usage error where the model has one end only or `alpha` lies outside 0..1; a model error where the other end is
/// damaged or does not fit.
pub fn blend(model: &mut ModelProto, alpha: f32) -> Result<()> {
    if !(0.0..=1.0).contains(&alpha) {
        return Err(Error::usage(format!("a strength of {alpha} is not between 0 and 1")));
    }
    let Some(entry) = model.metadata_props.iter().find(|entry| entry.key == KEY) else {
        return Err(Error::usage("this model has one strength only")
            .fix("take one that was exported with --from, or leave the strength out"));
    };
    let end = GraphProto::decode(decoded(entry)?.as_slice()).map_err(|e| damaged().caused_by(e))?;
    let graph = model.graph.as_ref().ok_or_else(damaged)?;
    let mixed = mix(graph, &end, alpha)?;
    if let Some(graph) = &mut model.graph {
        for (at, raw_data) in mixed {
            graph.initializer[at].raw_data = raw_data;
        }
    }
    Ok(())
}

/// Holds the other end against the limits, if there is one: what it holds is parsed later, and would grow then.
pub(super) fn check(model: &ModelProto, limits: &Limits) -> Result<()> {
    let mut entries = model.metadata_props.iter().filter(|entry| entry.key == KEY);
    entries.try_for_each(|entry| wire::check_graph(&decoded(entry)?, limits).map_err(|e| e.at(KEY)))
}

fn decoded(entry: &StringStringEntryProto) -> Result<Vec<u8>> {
    STANDARD.decode(&entry.value).map_err(|e| damaged().caused_by(e))
}

fn damaged() -> Error {
    Error::model(format!("the entry '{KEY}' of the model's metadata is damaged"))
}

fn strangers() -> Error {
    Error::model("the two ends are not of one network").fix("export both from weights of one network and one scale")
}

/// For each tensor of `end`, its place among the initializers of `graph` and the mixture's bytes.
fn mix(graph: &GraphProto, end: &GraphProto, alpha: f32) -> Result<Vec<(usize, Vec<u8>)>> {
    let mixed = end.initializer.iter().map(|from| {
        let at = graph.initializer.iter().position(|own| own.name == from.name).ok_or_else(strangers)?;
        let own = &graph.initializer[at];
        let alike = own.dims == from.dims && own.raw_data.len() == from.raw_data.len();
        let floats = [own, from].iter().all(|tensor| tensor.data_type == element::F32 && !tensor.raw_data.is_empty());
        if !alike || !floats {
            return Err(strangers());
        }
        let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        let pairs = own.raw_data.as_chunks().0.iter().zip(from.raw_data.as_chunks().0);
        let values = pairs.map(|(own, from)| (1.0 - alpha) * number(from) + alpha * number(own));
        Ok((at, values.flat_map(f32::to_le_bytes).collect()))
    });
    mixed.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Kind;
    use crate::onnx::build::{GraphBuilder, ints, name, size};

    fn model(weight: f32, bias: f32) -> ModelProto {
        let mut graph = GraphBuilder::new("one");
        graph.input("x", element::F32, &[size(1), size(1), name("h"), name("w")]);
        graph.f32("w", &[1, 1, 1, 1], &[weight]).f32("b", &[1], &[bias]);
        graph.node("Conv", &["x", "w", "b"], "y", vec![ints("pads", &[0, 0, 0, 0])]);
        graph.output("y", element::F32, &[size(1), size(1), name("h"), name("w")]);
        graph.finish()
    }

    fn numbers(model: &ModelProto) -> Vec<f32> {
        let tensors = model.graph.as_ref().unwrap().initializer.iter();
        tensors.map(|tensor| f32::from_le_bytes(*tensor.raw_data.first_chunk().unwrap())).collect()
    }

    #[test]
    fn weights_move_from_one_end_to_the_other() {
        let mut both = model(4.0, 7.0);
        embed(&mut both, &model(2.0, 7.0)).unwrap();
        assert!(can_blend(&both) && numbers(&both) == [4.0, 7.0]);
        let at = |alpha: f32| {
            let mut model = both.clone();
            blend(&mut model, alpha).map(|()| numbers(&model))
        };
        assert_eq!(at(0.0).unwrap(), [2.0, 7.0]);
        assert_eq!(at(0.25).unwrap(), [2.5, 7.0]);
        assert_eq!(at(1.0).unwrap(), [4.0, 7.0]);
        for alpha in [-0.1, 1.1, f32::NAN] {
            assert!(at(alpha).unwrap_err().to_string().contains("between 0 and 1"));
        }
    }

    #[test]
    fn strangers_and_damage_are_refused() {
        let mut plain = model(1.0, 1.0);
        assert!(blend(&mut plain, 0.5).unwrap_err().to_string().contains("one strength only"));
        let mut other = model(1.0, 2.0);
        other.graph.as_mut().unwrap().node[0].op_type = "ConvTranspose".into();
        assert!(embed(&mut plain, &other).is_err());
        let mut wide = model(1.0, 3.0);
        wide.graph.as_mut().unwrap().initializer[1].dims = vec![1, 1];
        assert!(embed(&mut plain, &wide).is_err());
        for value in ["no base64", "AAAA", "/////w=="] {
            plain.metadata_props = vec![StringStringEntryProto { key: KEY.into(), value: value.into() }];
            assert!(blend(&mut plain, 0.5).unwrap_err().to_string().contains("damaged"), "{value}");
        }
    }

    #[test]
    fn another_end_that_would_fill_the_memory_is_refused_before_it_is_parsed() {
        // Two bytes are an empty tensor, which takes a hundred times as much once parsed.
        let mut bent = model(1.0, 0.0);
        let value = STANDARD.encode([0x2a, 0x00].repeat(100_000));
        bent.metadata_props.push(StringStringEntryProto { key: KEY.into(), value });
        let limits = Limits { parsed_bytes: 16 << 20, ..Limits::default() };
        let refused = |model: &ModelProto| crate::onnx::read(&model.to_bytes(), &limits).unwrap_err();
        let error = refused(&bent);
        assert!(error.kind() == Kind::Limit && error.to_string().contains("other_end"), "{error}");
        bent.metadata_props[0].value = "no base64".into();
        assert_eq!(refused(&bent).kind(), Kind::Model);
    }
}
