//! Writing ONNX graphs: nodes, constants, attributes, typed inputs and outputs, metadata.
//!
//! ```
//! use upres::onnx::build::{GraphBuilder, ints, name, size};
//! use upres::onnx::proto::element;
//!
//! let mut graph = GraphBuilder::new("identity");
//! graph.input("x", element::F32, &[size(1), size(1), name("height"), name("width")]);
//! graph.f32("kernel", &[1, 1, 1, 1], &[1.0]);
//! graph.node("Conv", &["x", "kernel"], "y", vec![ints("pads", &[0, 0, 0, 0])]);
//! graph.output("y", element::F32, &[size(1), size(1), name("height"), name("width")]);
//! let file: Vec<u8> = graph.finish().to_bytes();
//! # assert!(!file.is_empty());
//! ```

use super::proto::{
    AttributeProto, Dimension, Extent, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute, element,
};
use prost::Message;

/// Operator set that written graphs ask for: the first with per-channel `DequantizeLinear`.
pub const OPSET: i64 = 13;

impl ModelProto {
    /// The bytes of the `.onnx` file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// An axis of a fixed extent.
pub fn size(extent: usize) -> Extent {
    Extent::Value(extent as i64)
}

/// An axis of any extent, under a name such as `height`.
pub fn name(symbol: &str) -> Extent {
    Extent::Param(symbol.into())
}

/// A float attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: Some(value), r#type: attribute::FLOAT, ..AttributeProto::default() }
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(value), r#type: attribute::INT, ..AttributeProto::default() }
}

/// A list of integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values.to_vec(), r#type: attribute::INTS, ..AttributeProto::default() }
}

/// A list of floats.
pub fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        floats: values.to_vec(),
        r#type: attribute::FLOATS,
        ..AttributeProto::default()
    }
}

/// A text attribute, such as the mode of an operator.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { name: name.into(), s: Some(value.into()), r#type: attribute::STRING, ..AttributeProto::default() }
}

/// A graph under construction. Nodes must be added in topological order.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: GraphProto,
    metadata: Vec<StringStringEntryProto>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.into(), ..GraphProto::default() }, metadata: Vec::new() }
    }

    /// Declares an input.
    pub fn input(&mut self, name: &str, element: i32, shape: &[Extent]) -> &mut Self {
        self.graph.input.push(value_info(name, element, shape));
        self
    }

    /// Declares an output.
    pub fn output(&mut self, name: &str, element: i32, shape: &[Extent]) -> &mut Self {
        self.graph.output.push(value_info(name, element, shape));
        self
    }

    /// Adds an operator with one output; an empty input name leaves that input out.
    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> &mut Self {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&s| s.into()).collect(),
            output: vec![output.into()],
            name: format!("{op}_{output}"),
            op_type: op.into(),
            attribute: attributes,
            domain: String::new(),
        });
        self
    }

    /// Adds an operator as it is.
    pub fn push(&mut self, node: NodeProto) -> &mut Self {
        self.graph.node.push(node);
        self
    }

    /// Adds a float32 constant; `dims` is empty for a scalar.
    pub fn f32(&mut self, name: &str, dims: &[usize], values: &[f32]) -> &mut Self {
        self.constant(name, element::F32, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Adds a uint8 constant.
    pub fn u8(&mut self, name: &str, dims: &[usize], values: &[u8]) -> &mut Self {
        self.constant(name, element::U8, dims, values.to_vec())
    }

    /// Adds an int8 constant.
    pub fn i8(&mut self, name: &str, dims: &[usize], values: &[i8]) -> &mut Self {
        self.constant(name, element::I8, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Adds an int32 constant.
    pub fn i32(&mut self, name: &str, dims: &[usize], values: &[i32]) -> &mut Self {
        self.constant(name, element::I32, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Adds an int64 constant.
    pub fn i64(&mut self, name: &str, dims: &[usize], values: &[i64]) -> &mut Self {
        self.constant(name, element::I64, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn constant(&mut self, name: &str, data_type: i32, dims: &[usize], raw_data: Vec<u8>) -> &mut Self {
        let elements = dims.iter().product::<usize>();
        debug_assert_eq!(Some(elements), element::bytes(data_type).map(|b| raw_data.len() / b), "constant {name}");
        self.graph.initializer.push(TensorProto {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type,
            name: name.into(),
            raw_data,
            ..TensorProto::default()
        });
        self
    }

    /// Sets the metadata entry `key`.
    pub fn metadata(&mut self, key: &str, value: &str) -> &mut Self {
        self.metadata.push(StringStringEntryProto { key: key.into(), value: value.into() });
        self
    }

    /// The finished model.
    pub fn finish(self) -> ModelProto {
        ModelProto {
            ir_version: 8,
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: self.metadata,
            ..ModelProto::default()
        }
    }
}

fn value_info(name: &str, element: i32, shape: &[Extent]) -> ValueInfoProto {
    let dim = shape.iter().map(|extent| Dimension { value: Some(extent.clone()) }).collect();
    let tensor = TensorTypeProto { elem_type: element, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}
