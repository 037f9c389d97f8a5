//! The door through which foreign ONNX files come in: every bound is checked before memory is spent on it.

use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, element};
use super::{blend, wire};
use crate::error::{Error, Result};
use prost::Message;
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// Bounds on what a model may ask of the machine. The defaults hold every published generator with room to spare.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes that the file may grow to when it is parsed.
    pub parsed_bytes: u64,
    /// Operators.
    pub nodes: usize,
    /// Elements of one tensor, stored or computed.
    pub tensor_elements: u64,
    /// Bytes of all stored tensors together.
    pub weight_bytes: u64,
    /// Bytes that all tensors computed for one run may take together.
    pub run_bytes: u64,
    /// Multiply-adds for one low-resolution pixel.
    pub mac_per_pixel: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 512 << 20,
            parsed_bytes: 1 << 30,
            nodes: 20_000,
            tensor_elements: 1 << 30,
            weight_bytes: 512 << 20,
            run_bytes: 64 << 30,
            mac_per_pixel: 1e9,
        }
    }
}

/// The bytes of the file at `path`, if it is no longer than `limits` allow.
pub fn load(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("cannot open", path, e))?;
    let mut bytes = Vec::new();
    file.take(limits.file_bytes + 1).read_to_end(&mut bytes).map_err(|e| Error::io("cannot read", path, e))?;
    check_file_size(bytes.len() as u64, limits).map_err(|e| e.at(path.display()))?;
    Ok(bytes)
}

/// Parses and checks a model: another end within the limits, standard operators only, all data inside the file, no subgraphs and no functions, one
/// input and one output, every value defined once and before it is used, every tensor as long as its shape says.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<ModelProto> {
    check_file_size(bytes.len() as u64, limits)?;
    wire::check(bytes, limits)?;
    let model = ModelProto::decode(bytes).map_err(|e| damaged().caused_by(e))?;
    check_model(&model)?;
    blend::check(&model, limits)?;
    let graph = graph(&model)?;
    if graph.node.len() > limits.nodes {
        let count = graph.node.len();
        return Err(Error::limit(format!("the model has {count} operators, more than the limit of {}", limits.nodes)));
    }
    check_tensors(graph, limits)?;
    graph.node.iter().try_for_each(check_node)?;
    check_names(graph)?;
    Ok(model)
}

/// The graph of a model.
pub fn graph(model: &ModelProto) -> Result<&GraphProto> {
    model.graph.as_ref().ok_or_else(|| Error::model("the file holds no graph").fix("is it an ONNX model?"))
}

/// The picture input of a graph: the one input that is not a stored tensor.
pub fn picture_input(graph: &GraphProto) -> Result<&super::proto::ValueInfoProto> {
    let stored: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut inputs = graph.input.iter().filter(|i| !stored.contains(i.name.as_str()));
    match (inputs.next(), inputs.next()) {
        (Some(input), None) => Ok(input),
        (None, _) => Err(Error::model("the model has no input")),
        (Some(a), Some(b)) => {
            Err(Error::model(format!("the model has several inputs ('{}', '{}', …)", a.name, b.name))
                .fix("a generator takes one picture and nothing else"))
        }
    }
}

pub(super) fn damaged() -> Error {
    Error::model("the file is damaged or is not an ONNX model")
}

/// A node's operator and name, for messages.
pub fn label(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name };
    format!("{} '{}'", shown(&node.op_type), shown(name))
}

/// Foreign text fit for a message: no control characters, no novels.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(64).is_some() {
        short.push('…');
    }
    short
}

fn check_file_size(bytes: u64, limits: &Limits) -> Result<()> {
    match bytes {
        0 => Err(Error::model("the file is empty")),
        n if n > limits.file_bytes => {
            Err(Error::limit(format!("the model is larger than the limit of {} MiB", limits.file_bytes >> 20)))
        }
        _ => Ok(()),
    }
}

fn check_model(model: &ModelProto) -> Result<()> {
    if !model.functions.is_empty() || !model.training_info.is_empty() {
        return Err(Error::model("the model brings functions or training graphs of its own")
            .fix("export it with standard operators only"));
    }
    let version = model.opset_import.iter().find(|o| standard(&o.domain)).map_or(1, |o| o.version);
    if !(7..=24).contains(&version) {
        return Err(Error::model(format!("the model uses version {version} of the ONNX operators"))
            .fix("export it with an opset between 7 and 24; 17 is a good choice"));
    }
    let graph = graph(model)?;
    if !graph.sparse_initializer.is_empty() {
        return Err(Error::model("the model holds sparse tensors").fix("export it with dense weights"));
    }
    picture_input(graph)?;
    match graph.output.len() {
        1 => Ok(()),
        n => Err(Error::model(format!("the model has {n} outputs")).fix("a generator gives one picture")),
    }
}

/// Checks the bytes that one run takes.
pub fn check_run(bytes: u64, limits: &Limits) -> Result<()> {
    if bytes > limits.run_bytes {
        return Err(Error::limit(format!("one run takes more than {} MiB", limits.run_bytes >> 20)));
    }
    Ok(())
}

fn standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn check_node(node: &NodeProto) -> Result<()> {
    if !standard(&node.domain) {
        let domain = shown(&node.domain);
        return Err(Error::model(format!("{} belongs to the custom domain '{domain}'", label(node)))
            .fix("export the model with standard ONNX operators only"));
    }
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(Error::model(format!("{} holds a subgraph", label(node)))
                .fix("generators with loops or branches are not supported"));
        }
        if attribute.sparse_tensor.is_some() || !attribute.tensors.is_empty() {
            return Err(Error::model(format!("{} holds unusual attributes", label(node))));
        }
    }
    Ok(())
}

fn check_tensors(graph: &GraphProto, limits: &Limits) -> Result<()> {
    let attributes = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_ref());
    let mut total = 0_u64;
    for tensor in graph.initializer.iter().chain(attributes) {
        total = total.saturating_add(check_tensor(tensor, limits).map_err(|e| e.at(tensor_label(tensor)))?);
        if total > limits.weight_bytes {
            return Err(Error::limit(format!(
                "the model's tensors are larger than the limit of {} MiB together",
                limits.weight_bytes >> 20
            )));
        }
    }
    Ok(())
}

fn tensor_label(tensor: &TensorProto) -> String {
    format!("tensor '{}'", shown(&tensor.name))
}

/// Checks one stored tensor and tells its size in bytes.
fn check_tensor(tensor: &TensorProto, limits: &Limits) -> Result<u64> {
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        return Err(Error::model("its data stands in another file")
            .fix("save the model as one file: onnx.save(model, path, save_as_external_data=False)"));
    }
    let Some(width) = element::bytes(tensor.data_type) else {
        return Err(Error::model(format!("element type {} is not supported", tensor.data_type)));
    };
    if tensor.dims.len() > 8 {
        return Err(Error::model(format!("{} axes are more than 8", tensor.dims.len())));
    }
    let mut elements = 1_u64;
    for &dim in &tensor.dims {
        let dim = u64::try_from(dim).map_err(|_| Error::model(format!("its shape holds the negative size {dim}")))?;
        elements = elements.saturating_mul(dim);
    }
    if elements > limits.tensor_elements || tensor.dims.iter().any(|&d| d as u64 > limits.tensor_elements) {
        return Err(Error::limit(format!("its shape {:?} is beyond {} elements", tensor.dims, limits.tensor_elements)));
    }
    let stored = stored_elements(tensor, width);
    if stored != Some(elements) {
        return Err(Error::model(format!(
            "its shape {:?} needs {elements} elements of {}, the file holds {}",
            tensor.dims,
            element::name(tensor.data_type),
            stored.map_or_else(|| "a broken number".into(), |n| n.to_string()),
        )));
    }
    Ok(elements * width as u64)
}

fn stored_elements(tensor: &TensorProto, width: usize) -> Option<u64> {
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.len().is_multiple_of(width).then_some((tensor.raw_data.len() / width) as u64);
    }
    let stored = match tensor.data_type {
        element::F32 => tensor.float_data.len(),
        element::F64 => tensor.double_data.len(),
        element::I64 => tensor.int64_data.len(),
        _ => tensor.int32_data.len(),
    };
    Some(stored as u64)
}

/// Every value is made once, and before it is read.
fn check_names(graph: &GraphProto) -> Result<()> {
    let mut defined: HashSet<&str> = HashSet::new();
    for tensor in &graph.initializer {
        if !defined.insert(&tensor.name) {
            return Err(Error::model(format!("{} is stored twice", tensor_label(tensor))));
        }
    }
    defined.extend(graph.input.iter().map(|i| i.name.as_str()));
    let made: HashSet<&str> = graph.node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    for node in &graph.node {
        for input in node.input.iter().filter(|i| !i.is_empty()) {
            if !defined.contains(input.as_str()) {
                return Err(undefined(node, input, made.contains(input.as_str())));
            }
        }
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if !defined.insert(output) {
                return Err(Error::model(format!("{} makes '{}' a second time", label(node), shown(output))));
            }
        }
    }
    match graph.output.iter().find(|o| !defined.contains(o.name.as_str())) {
        Some(output) => Err(Error::model(format!("nothing makes the output '{}'", shown(&output.name)))),
        None => Ok(()),
    }
}

fn undefined(node: &NodeProto, input: &str, made_later: bool) -> Error {
    let (node, input) = (label(node), shown(input));
    if made_later {
        Error::model(format!("{node} reads '{input}' before it is made: the graph has a cycle or is out of order"))
    } else {
        Error::model(format!("{node} reads '{input}', which is neither stored nor made"))
    }
}
