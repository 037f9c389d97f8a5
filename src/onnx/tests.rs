//! Hostile and broken files: each is refused with its own message, in bounded time and memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::build::{GraphBuilder, float, int, ints, name, size, text};
use super::proto::{AttributeProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, element};
use super::{Limits, analyse, check_size, read};
use crate::error::{Error, Kind};
use crate::geometry::Size;

fn graph(planes: usize) -> GraphBuilder {
    let mut graph = GraphBuilder::new("test");
    graph.input("x", element::F32, &[size(1), size(planes), name("h"), name("w")]);
    graph.output("y", element::F32, &[size(1), size(planes), name("h2"), name("w2")]);
    graph
}

fn good() -> ModelProto {
    let mut graph = graph(1);
    graph.f32("w", &[4, 1, 3, 3], &[0.1; 36]);
    graph.node("Conv", &["x", "w"], "c", vec![ints("pads", &[1; 4])]);
    graph.node("DepthToSpace", &["c"], "y", vec![int("blocksize", 2)]);
    graph.finish()
}

fn understand(bytes: &[u8], limits: &Limits) -> Result<super::Analysis, Error> {
    analyse(&read(bytes, limits)?, limits)
}

/// The message for `good` after a change.
fn refusal(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut model = good();
    change(&mut model);
    understand(&model.to_bytes(), &Limits::default()).expect_err("was accepted").to_string()
}

/// The message for a graph of one node after another.
fn refused_graph(build: impl FnOnce(&mut GraphBuilder)) -> String {
    let mut graph = graph(1);
    build(&mut graph);
    understand(&graph.finish().to_bytes(), &Limits::default()).expect_err("was accepted").to_string()
}

#[track_caller]
fn says(message: &str, part: &str) {
    assert!(message.contains(part), "'{message}' does not say '{part}'");
}

#[test]
fn the_good_model_is_good() {
    let analysis = understand(&good().to_bytes(), &Limits::default()).unwrap();
    assert_eq!((analysis.scale, analysis.parameters, analysis.mac_per_pixel), (Some(2), 36, 36.0));
    assert_eq!(analysis.operators.get("Conv"), Some(&1));
}

#[test]
fn broken_bytes() {
    let bytes = good().to_bytes();
    let say = |bytes: &[u8]| read(bytes, &Limits::default()).map(|_| ()).map_err(|e| (e.kind(), e.to_string()));
    assert_eq!(say(&[]).unwrap_err().1, "the file is empty");
    says(&say(b"\x89PNG\r\n\x1a\n and so on").unwrap_err().1, "damaged or is not an ONNX model");
    says(&say(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap_err().1, "damaged");
    // A group inside a group inside a group …
    says(&say(&vec![0x0b; 1 << 20]).unwrap_err().1, "damaged");
    for end in 0..bytes.len() {
        if let Ok(model) = read(&bytes[..end], &Limits::default()) {
            let _ = analyse(&model, &Limits::default());
        }
    }
}

#[test]
fn files_that_grow_when_parsed() {
    // Two bytes make an empty operator of some two hundred.
    let mut inner: Vec<u8> = [0x0a, 0x00].repeat(10 << 20);
    let mut bytes = vec![0x3a];
    let mut length = inner.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.append(&mut inner);
    let error = read(&bytes, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    says(&error.to_string(), "once parsed");
}

#[test]
fn limits_have_their_messages() {
    let bytes = good().to_bytes();
    let with = |limits: Limits| {
        let error = understand(&bytes, &limits).expect_err("was accepted");
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        error.to_string()
    };
    says(&with(Limits { file_bytes: 10, ..Limits::default() }), "larger than the limit of 0 MiB");
    says(&with(Limits { nodes: 1, ..Limits::default() }), "has 2 operators, more than the limit of 1");
    says(&with(Limits { tensor_elements: 35, ..Limits::default() }), "is beyond 35 elements");
    says(&with(Limits { weight_bytes: 143, ..Limits::default() }), "tensors are larger than the limit");
    says(&with(Limits { mac_per_pixel: 35.0, ..Limits::default() }), "multiply-adds a pixel, more than the limit");
    says(&with(Limits { run_bytes: 10, ..Limits::default() }), "tensors of one run pass 0 MiB");
}

/// What is too much for the pictures that a graph is measured by may be right for smaller ones.
#[test]
fn a_run_is_held_to_its_limit_at_its_own_size() {
    let (model, limits) = (good(), Limits { run_bytes: 1 << 20, ..Limits::default() });
    assert_eq!(analyse(&model, &limits).unwrap().scale, Some(2));
    assert!(check_size(&model, Size::new(100, 100), &limits).is_ok());
    let error = check_size(&model, Size::new(400, 400), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    says(&error.to_string(), "tensors of one run pass 1 MiB");
}

#[test]
fn data_outside_the_file() {
    let outside = refusal(|m| {
        let tensor = &mut m.graph.as_mut().unwrap().initializer[0];
        tensor.raw_data.clear();
        tensor.data_location = 1;
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        tensor.external_data = vec![entry("location", "../../etc/passwd")];
    });
    says(&outside, "tensor 'w': its data stands in another file");
}

#[test]
fn tensors_that_lie_about_their_shape() {
    let shape = |dims: Vec<i64>| refusal(move |m| m.graph.as_mut().unwrap().initializer[0].dims = dims);
    says(&shape(vec![4, 1, 3, -3]), "negative size -3");
    says(&shape(vec![i64::MAX, i64::MAX, 2, 2]), "beyond");
    says(&shape(vec![1 << 40, 1, 1, 1]), "beyond");
    says(&shape(vec![4, 1, 3, 4]), "needs 48 elements of float32, the file holds 36");
    says(&shape(vec![0, 1 << 40]), "beyond");
    says(&shape(vec![1; 9]), "9 axes");
    says(&refusal(|m| m.graph.as_mut().unwrap().initializer[0].data_type = 8), "element type 8 is not supported");
    says(&refusal(|m| m.graph.as_mut().unwrap().initializer[0].raw_data.truncate(143)), "a broken number");
}

#[test]
fn graphs_that_do_not_hang_together() {
    fn nodes(model: &mut ModelProto) -> &mut Vec<NodeProto> {
        &mut model.graph.as_mut().unwrap().node
    }
    says(
        &refusal(|m| nodes(m)[0].input[1] = "lost".into()),
        "Conv 'Conv_c' reads 'lost', which is neither stored nor made",
    );
    says(&refusal(|m| nodes(m)[0].input[0] = "y".into()), "reads 'y' before it is made: the graph has a cycle");
    says(&refusal(|m| nodes(m)[0].output[0] = "x".into()), "makes 'x' a second time");
    says(&refusal(|m| nodes(m)[1].output[0] = "z".into()), "nothing makes the output 'y'");
    says(&refusal(|m| m.graph = None), "holds no graph");
    says(&refusal(|m| m.graph.as_mut().unwrap().input.clear()), "no input");
    says(&refusal(|m| m.graph.as_mut().unwrap().output.clear()), "0 outputs");
    says(&refusal(|m| m.graph.as_mut().unwrap().input[0].r#type = None), "is no tensor");
    let twice = refusal(|m| {
        let graph = m.graph.as_mut().unwrap();
        graph.initializer.push(graph.initializer[0].clone());
    });
    says(&twice, "tensor 'w' is stored twice");
}

#[test]
fn what_is_not_plain_onnx() {
    let attribute = |a: AttributeProto| refusal(move |m| m.graph.as_mut().unwrap().node[0].attribute.push(a));
    says(&attribute(AttributeProto { name: "body".into(), g: Some(vec![]), ..Default::default() }), "holds a subgraph");
    says(&attribute(AttributeProto { sparse_tensor: Some(vec![]), ..Default::default() }), "unusual attributes");
    says(
        &refusal(|m| m.graph.as_mut().unwrap().node[0].domain = "com.microsoft".into()),
        "custom domain 'com.microsoft'",
    );
    says(&refusal(|m| m.functions.push(vec![])), "functions");
    says(&refusal(|m| m.graph.as_mut().unwrap().sparse_initializer.push(vec![])), "sparse");
    let version =
        |version| refusal(move |m| m.opset_import = vec![OperatorSetIdProto { domain: String::new(), version }]);
    says(&version(3), "version 3 of the ONNX operators");
    says(&version(i64::MAX), "of the ONNX operators");
}

#[test]
fn inputs_that_are_no_pictures() {
    let input = |shape: &[super::proto::Extent], kind: i32| {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", kind, shape).output("y", element::F32, &[]).node("Identity", &["x"], "y", vec![]);
        understand(&graph.finish().to_bytes(), &Limits::default()).expect_err("was accepted").to_string()
    };
    says(&input(&[size(1), size(3), name("h"), name("w")], element::U8), "input 'x': is uint8, not float32");
    says(&input(&[size(1), size(3), name("h"), name("w")], element::F16), "float16");
    says(&input(&[size(1), size(4), name("h"), name("w")], element::F32), "has 4 channels");
    says(&input(&[size(8), size(3), name("h"), name("w")], element::F32), "batch");
    says(&input(&[size(1), size(3), size(64), name("w")], element::F32), "only one of height and width");
    says(&input(&[size(1), size(3), size(1 << 40), size(1 << 40)], element::F32), "has the size");
    says(&input(&[size(3), name("h"), name("w")], element::F32), "3 axes");
    says(&input(&[name("n"), name("c"), name("h"), name("w")], element::F32), "how many channels");
}

#[test]
fn operators_that_ask_for_the_moon() {
    says(
        &refused_graph(|g| {
            g.f32("w", &[1, 1, 1, 1], &[1.0]);
            g.node("Conv", &["x", "w"], "y", vec![ints("pads", &[1 << 30; 4])]);
        }),
        "Conv 'Conv_y': its kernel, strides, dilations or pads are out of bounds",
    );
    says(
        &refused_graph(|g| {
            g.f32("scales", &[4], &[1.0, 1.0, 1e9, 1e9]);
            g.node("Resize", &["x", "", "scales"], "y", vec![]);
        }),
        "asks for 192000000000 samples",
    );
    says(
        &refused_graph(|g| {
            g.f32("scales", &[4], &[1.0, 1.0, f32::NAN, 2.0]);
            g.node("Resize", &["x", "", "scales"], "y", vec![]);
        }),
        "asks for NaN samples",
    );
    says(
        &refused_graph(|g| {
            g.i64("shape", &[4], &[1, 1 << 20, 1 << 20, 1 << 20]).node("ConstantOfShape", &["shape"], "c", vec![]);
            g.node("Add", &["x", "c"], "y", vec![]);
        }),
        "ConstantOfShape 'ConstantOfShape_c': makes a tensor of",
    );
    says(
        &refused_graph(|g| {
            g.i64("copies", &[4], &[1, 1, 1 << 30, 1 << 30]).node("Tile", &["x", "copies"], "y", vec![]);
        }),
        "Tile 'Tile_y': makes a tensor of",
    );
    says(
        &refused_graph(|g| {
            g.f32("a", &[], &[0.0]).f32("b", &[], &[1e30]).f32("s", &[], &[1e-30]);
            g.node("Range", &["a", "b", "s"], "r", vec![]).node("Add", &["x", "r"], "y", vec![]);
        }),
        "asks for",
    );
}

#[test]
fn settings_out_of_bounds() {
    // The smallest number has no absolute value.
    for pad in [1 << 40, i64::MIN] {
        says(
            &refused_graph(|g| {
                g.i64("pads", &[8], &[0, 0, pad, 0, 0, 0, 0, 0]).node("Pad", &["x", "pads"], "y", vec![]);
            }),
            "do not fit",
        );
    }
    says(
        &refused_graph(|g| {
            g.i64("i", &[1], &[0]).i64("step", &[1], &[i64::MIN]);
            g.node("Slice", &["x", "i", "i", "i", "step"], "y", vec![]);
        }),
        "steps by",
    );
    says(
        &refused_graph(|g| {
            g.i64("shape", &[3], &[-1, -1, 7]).node("Reshape", &["x", "shape"], "y", vec![]);
        }),
        "cannot give",
    );
    says(
        &refused_graph(|g| {
            g.node("DepthToSpace", &["x"], "y", vec![int("blocksize", i64::MIN)]);
        }),
        "block size",
    );
    says(
        &refused_graph(|g| {
            g.node("Concat", &["x", "x"], "y", vec![int("axis", i64::MIN)]);
        }),
        "axis",
    );
    says(
        &refused_graph(|g| {
            g.i64("i", &[1], &[i64::MIN]).node("Slice", &["x", "i", "i", "i"], "y", vec![float("odd", f32::NAN)]);
        }),
        "axis",
    );
}

#[test]
fn outputs_that_are_no_larger_pictures() {
    says(
        &refused_graph(|g| {
            g.f32("w", &[1, 1, 3, 3], &[0.1; 9]).node("Conv", &["x", "w"], "y", vec![]);
        }),
        "no whole factor",
    );
    says(
        &refused_graph(|g| {
            g.f32("w", &[2, 1, 1, 1], &[0.1; 2]).node("Conv", &["x", "w"], "y", vec![]);
        }),
        "takes 1 channels but gives 2",
    );
    says(
        &refused_graph(|g| {
            g.node("Flatten", &["x"], "y", vec![]);
        }),
        "is no picture",
    );
    says(
        &refused_graph(|g| {
            g.f32("w", &[1, 3, 1, 1], &[0.1; 3]).node("Conv", &["x", "w"], "y", vec![]);
        }),
        "do not fit 1 channels",
    );
    says(
        &refused_graph(|g| {
            g.f32("scales", &[4], &[1.0, 1.0, 32.0, 32.0]).node(
                "Resize",
                &["x", "", "scales"],
                "y",
                vec![text("mode", "linear")],
            );
        }),
        "between 1 and 16",
    );
}

#[test]
fn damaged_files_never_panic() {
    let bytes = good().to_bytes();
    let mut state = 1_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=next(4) {
            let at = next(damaged.len());
            match next(3) {
                0 => damaged[at] = next(256) as u8,
                1 => drop(damaged.remove(at)),
                _ => damaged.insert(at, next(256) as u8),
            }
        }
        let _ = understand(&damaged, &Limits::default());
    }
}
