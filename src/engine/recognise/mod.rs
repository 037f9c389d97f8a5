//! Finds what the engine can run in an ONNX graph: islands of convolutions and what goes with them.
//!
//! The graph is read once, in its order. What an operator's output *means* is noted and made a map only where it must be: that
//! four channels will become pixels, or that a sum will be rounded to bytes, shows a few operators later. Operators that
//! are not understood are left to tract, with the reason; what comes behind one of them belongs to another island than
//! what comes before, so that no island waits for itself.

mod arithmetic;
mod builder;
mod bytes;
mod constant;
mod convolution;
mod layout;

use super::network::Network;
use crate::error::Result;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::onnx::{Attributes, Grid, Limits, graph, grids, label, picture_input};
use builder::{Builder, Meaning};
use constant::Constant;
use std::collections::{BTreeMap, HashMap};

/// Part of a graph that the engine can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Island {
    /// What it computes; empty once it has been packed.
    pub network: Network,
    /// The graph's values that go in, as the network's inputs.
    pub inputs: Vec<String>,
    /// The graph's values that come out, as the network's outputs.
    pub outputs: Vec<String>,
    /// Operators that it stands for.
    pub operators: usize,
}

/// What was found in a graph.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recognised {
    /// In the order in which they can run.
    pub islands: Vec<Island>,
    /// Operators that are left, and why.
    pub left: Vec<(String, String)>,
    /// Operators in all that depend on the picture.
    pub operators: usize,
}

impl Recognised {
    /// The one island, where it is the whole graph.
    pub fn whole(&self, model: &ModelProto) -> Option<&Island> {
        let graph = graph(model).ok()?;
        let [island] = self.islands.as_slice() else { return None };
        let input = &picture_input(graph).ok()?.name;
        let output = &graph.output.first()?.name;
        (island.inputs == [input.as_str()] && island.outputs == [output.as_str()]).then_some(island)
    }
}

/// Most maps of an island: what is deeper is no generator that anyone has seen.
const MOST_MAPS: usize = 2048;

/// Why an operator is left to tract.
type Refusal = String;
/// What an operator's output means, or why it is not understood.
type Understood = std::result::Result<Meaning, Refusal>;

/// Finds the islands of `model` (as [`crate::onnx::read`] gave it).
///
/// # Errors
/// Where the graph does not fit together.
pub fn recognise(model: &ModelProto, limits: &Limits) -> Result<Recognised> {
    let graph = graph(model)?;
    let mut reader = Reader {
        grids: grids(model, limits)?,
        constants: graph.initializer.iter().map(|t| (t.name.as_str(), Constant::stored(t))).collect(),
        uses: uses(graph),
        values: HashMap::new(),
        levels: BTreeMap::new(),
        found: Recognised::default(),
        foreign: HashMap::new(),
    };
    reader.foreign.insert(&picture_input(graph)?.name, 0);
    for node in &graph.node {
        reader.read(node);
    }
    Ok(reader.finish(graph))
}

/// How often each value is read; the graph's output counts.
fn uses(graph: &GraphProto) -> HashMap<&str, usize> {
    let mut uses = HashMap::new();
    let outputs = graph.output.iter().map(|output| &output.name);
    for name in graph.node.iter().flat_map(|node| &node.input).chain(outputs) {
        *uses.entry(name.as_str()).or_insert(0) += 1;
    }
    uses
}

struct Reader<'a> {
    grids: HashMap<String, Grid>,
    constants: HashMap<&'a str, Constant<'a>>,
    uses: HashMap<&'a str, usize>,
    /// What values mean, and in which level.
    values: HashMap<&'a str, (usize, Meaning)>,
    /// Values that tract makes, and the first level that may read them.
    foreign: HashMap<&'a str, usize>,
    levels: BTreeMap<usize, Builder<'a>>,
    found: Recognised,
}

/// One operator with all that is known around it.
struct Call<'c, 'a> {
    node: &'a NodeProto,
    attributes: Attributes<'a>,
    constants: &'c HashMap<&'a str, Constant<'a>>,
    /// How often each value is read.
    uses: &'c HashMap<&'a str, usize>,
    /// Its inputs as the level that it belongs to sees them; nothing for constants.
    inputs: Vec<Option<Meaning>>,
    builder: &'c mut Builder<'a>,
}

impl<'a> Call<'_, 'a> {
    /// The stored or computed constant at input `i`.
    fn constant(&self, i: usize) -> Option<&Constant<'a>> {
        self.constants.get(self.node.input.get(i)?.as_str())
    }

    /// How often the value at input `i` is read, here and elsewhere.
    fn input_uses(&self, i: usize) -> usize {
        self.node.input.get(i).and_then(|name| self.uses.get(name.as_str())).copied().unwrap_or(0)
    }

    /// What depends on the picture at input `i`.
    fn meaning(&self, i: usize) -> std::result::Result<Meaning, Refusal> {
        self.inputs.get(i).cloned().flatten().ok_or_else(|| "its input is a constant".into())
    }
}

impl<'a> Reader<'a> {
    fn read(&mut self, node: &'a NodeProto) {
        if self.read_constant(node) {
            return;
        }
        self.found.operators += 1;
        let level = node.input.iter().filter_map(|name| self.level(name)).max().unwrap_or(0);
        match self.understand(node, level) {
            Ok(()) => self.levels.entry(level).or_default().operators += 1,
            Err(reason) => {
                self.found.left.push((label(node), reason));
                for name in &node.input {
                    self.export(name);
                }
                for name in &node.output {
                    self.foreign.insert(name, level + 1);
                }
            }
        }
    }

    /// Whether the operator's output does not depend on the picture.
    fn read_constant(&mut self, node: &'a NodeProto) -> bool {
        if node.input.iter().any(|name| self.level(name).is_some()) {
            return false;
        }
        let Some(output) = node.output.first() else { return true };
        let constant = match node.op_type.as_str() {
            "Constant" => Attributes(node).get("value").and_then(|a| a.t.as_ref()).map(Constant::stored),
            "Identity" => node.input.first().and_then(|name| self.constants.get(name.as_str()).cloned()),
            "DequantizeLinear" => Constant::dequantised(node, &self.constants),
            _ => None,
        };
        self.constants.insert(output, constant.unwrap_or(Constant::Unknown));
        true
    }

    /// The level of a value that depends on the picture.
    fn level(&self, name: &str) -> Option<usize> {
        self.values.get(name).map(|(level, _)| *level).or_else(|| self.foreign.get(name).copied())
    }

    fn understand(&mut self, node: &'a NodeProto, level: usize) -> std::result::Result<(), Refusal> {
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(if self.level(name).is_some() { Some(self.inside(name, level)?) } else { None });
        }
        let output = node.output.first().ok_or("it makes nothing")?;
        let builder = self.levels.entry(level).or_default();
        if builder.network.maps.len() > MOST_MAPS {
            return Err(format!("the graph has more than {MOST_MAPS} layers in a row"));
        }
        let mut call =
            Call { node, attributes: Attributes(node), constants: &self.constants, uses: &self.uses, inputs, builder };
        if node.op_type == "Split" {
            let parts = layout::split(&mut call)?;
            for (name, part) in node.output.iter().zip(parts) {
                self.values.insert(name, (level, part));
            }
            return Ok(());
        }
        let meaning = meaning(&mut call)?;
        self.values.insert(output, (level, meaning));
        Ok(())
    }

    /// What a value is to `level`: its meaning where it is made there, an input where it is made before.
    fn inside(&mut self, name: &'a str, level: usize) -> std::result::Result<Meaning, Refusal> {
        match self.values.get(name) {
            Some((own, meaning)) if *own == level => Ok(meaning.clone()),
            _ => {
                let grid = *self.grids.get(name).ok_or("its input is no picture")?;
                self.export(name);
                self.levels.entry(level).or_default().import(name, grid)
            }
        }
    }

    /// Notes that a value is read from outside of its island.
    fn export(&mut self, name: &'a str) {
        if let Some((level, _)) = self.values.get(name) {
            let exports = &mut self.levels.entry(*level).or_default().exports;
            if !exports.contains(&name) {
                exports.push(name);
            }
        }
    }

    fn finish(mut self, graph: &'a GraphProto) -> Recognised {
        graph.output.iter().for_each(|output| self.export(&output.name));
        for (_, builder) in std::mem::take(&mut self.levels) {
            let operators = builder.operators;
            match builder.island(&self.values) {
                Ok(Some(island)) => self.found.islands.push(island),
                Ok(None) => {}
                Err(reason) => self.found.left.push((format!("{operators} operators"), reason)),
            }
        }
        self.found
    }
}

fn meaning(call: &mut Call) -> Understood {
    match call.node.op_type.as_str() {
        "Conv" => convolution::conv(call),
        "QLinearConv" => bytes::conv(call),
        "QuantizeLinear" => bytes::quantise(call),
        "DequantizeLinear" => bytes::dequantise(call),
        "Relu" | "PRelu" | "LeakyRelu" | "Clip" => arithmetic::activation(call),
        "Add" => arithmetic::add(call),
        "Mul" => arithmetic::scale(call),
        "BatchNormalization" => arithmetic::batch_normalisation(call),
        "Concat" => layout::concat(call),
        "DepthToSpace" => layout::depth_to_space(call),
        "Resize" | "Upsample" => layout::resize(call),
        "Pad" => layout::pad(call),
        "Identity" | "Dropout" => same(call),
        other => Err(format!("{other} is no operator of the engine")),
    }
}

/// The same value under another name: what it is may not change any more where it is read elsewhere, too.
fn same(call: &mut Call) -> Understood {
    let meaning = call.meaning(0)?;
    if call.input_uses(0) > 1 {
        call.builder.shared.extend(0..call.builder.network.maps.len());
    }
    Ok(meaning)
}
