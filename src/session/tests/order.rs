//! Limits go first: neither tract nor the engine sees a model that passes them.

use super::graph;
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::onnx::Limits;
use crate::onnx::build::{GraphBuilder, int};
use crate::session::testing::{Noise, begin, chain, same};
use crate::session::{Overrides, TractGenerator};
use crate::upscale::Generator;

/// Two convolutions, and behind them an operator that tract gives up on as soon as it sees the sizes.
fn fatal(operator: &str) -> Vec<u8> {
    let (mut graph, mut noise) = (begin(1), Noise(5));
    graph.f32("w", &[16, 1, 3, 3], &noise.list(144, 0.1)).node("Conv", &["x", "w"], "a", same(3));
    graph.f32("v", &[1, 16, 3, 3], &noise.list(144, 0.1)).node("Conv", &["a", "v"], "b", same(3));
    graph.node(operator, &["b"], "y", vec![]);
    graph.finish().to_bytes()
}

fn refused(bytes: &[u8], limits: Limits) -> Error {
    TractGenerator::from_bytes("test", bytes, &Overrides::default(), limits).err().unwrap()
}

#[test]
fn a_model_beyond_a_limit_is_refused_before_tract_sees_it() {
    let bytes = fatal("NoSuchOperator");
    let default = Limits::default();
    let tract = refused(&bytes, default.clone());
    assert_eq!(tract.kind(), Kind::Model, "tract should give up on this: {tract}");
    for limits in [
        Limits { file_bytes: bytes.len() as u64 - 1, ..default.clone() },
        Limits { parsed_bytes: 4000, ..default.clone() },
        Limits { nodes: 2, ..default.clone() },
        Limits { weight_bytes: 2 * 4 * 144 - 1, ..default.clone() },
        Limits { tensor_elements: 384 * 192 * 16 - 1, ..default.clone() },
        Limits { mac_per_pixel: 287.0, ..default.clone() },
        Limits { run_bytes: 96 * 64 * 17 * 4 - 1, ..default.clone() },
    ] {
        let error = refused(&bytes, limits.clone());
        assert_eq!(error.kind(), Kind::Limit, "{limits:?}: {error}");
    }
}

#[test]
fn a_model_beyond_a_limit_is_refused_before_the_engine_packs_it() {
    // The engine runs all of it, so that nothing of tract is asked.
    let bytes = chain(2, 8).to_bytes();
    assert!(TractGenerator::from_bytes("m", &bytes, &Overrides::default(), Limits::default()).unwrap().is_whole());
    let packed = crate::engine::packed_so_far();
    for limits in [
        Limits { nodes: 3, ..Limits::default() },
        Limits { weight_bytes: 100, ..Limits::default() },
        Limits { mac_per_pixel: 10.0, ..Limits::default() },
        Limits { run_bytes: 16, ..Limits::default() },
    ] {
        assert_eq!(refused(&bytes, limits).kind(), Kind::Limit);
    }
    assert_eq!(crate::engine::packed_so_far(), packed, "weights were packed before the limits were looked at");
}

#[test]
fn a_size_beyond_a_limit_is_refused_before_anything_is_made_for_it() {
    // Memory for these would be hundreds of gigabytes.
    let size = Size::new(65_000, 65_000);
    let limits = Limits { run_bytes: 1 << 20, ..Limits::default() };
    let whole =
        TractGenerator::from_bytes("m", &chain(2, 8).to_bytes(), &Overrides::default(), limits.clone()).unwrap();
    assert!(whole.is_whole());
    assert_eq!(whole.plan(size).err().unwrap().kind(), Kind::Limit);
    let tract = Overrides { runner: crate::session::Runner::Tract, ..Overrides::default() };
    let tract = TractGenerator::from_bytes("m", &chain(2, 8).to_bytes(), &tract, limits).unwrap();
    let error = tract.plan(size).err().unwrap();
    assert_eq!(error.kind(), Kind::Limit);
    // 32 bits cannot even address it, which is said first.
    let told =
        if cfg!(target_pointer_width = "32") { "65000x65000 times 2 is larger" } else { "for 65000x65000 pixels" };
    assert!(error.to_string().starts_with(told), "{error}");
}

#[test]
fn another_end_that_would_fill_the_memory_is_refused_before_it_is_parsed() {
    // Two bytes are an empty tensor, which takes a hundred times as much once parsed.
    let mut model = chain(2, 8);
    let end = [0x2a, 0x00].repeat(100_000);
    let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, end);
    let entry = crate::onnx::proto::StringStringEntryProto { key: crate::onnx::blend::KEY.into(), value };
    model.metadata_props.push(entry);
    let limits = Limits { parsed_bytes: 16 << 20, ..Limits::default() };
    let error = refused(&model.to_bytes(), limits);
    assert!(error.kind() == Kind::Limit && error.to_string().contains("other_end"), "{error}");
    model.metadata_props[0].value = "no base64".into();
    assert_eq!(refused(&model.to_bytes(), Limits::default()).kind(), Kind::Model);
}

/// What comes behind an operator that only tract may know: `build` is handed a value of its, "u".
fn behind(build: impl FnOnce(&mut GraphBuilder)) -> Error {
    let mut graph = begin(1);
    graph.node("NoSuchOperator", &["x"], "u", vec![]);
    build(&mut graph);
    graph.node("Add", &["u", "k"], "y", vec![]);
    refused(&graph.finish().to_bytes(), Limits::default())
}

#[test]
fn what_tract_would_compute_while_reading_is_bounded_behind_unknown_operators_too() {
    // None of these may get as far as tract, which would work them out at once.
    let plain = behind(|g| {
        g.i64("shape", &[3], &[1 << 15; 3]).node("ConstantOfShape", &["shape"], "k", vec![]);
    });
    assert_eq!(plain.kind(), Kind::Limit, "{plain}");
    let large = behind(|g| {
        g.i64("shape", &[2], &[1 << 14; 2]).node("ConstantOfShape", &["shape"], "k", vec![]);
    });
    assert!(large.to_string().contains("constants that the model computes"), "{large}");
    let sized = behind(|g| {
        g.node("Shape", &["u"], "s", vec![]).i64("n", &[], &[1 << 20]).node("Mul", &["s", "n"], "t", vec![]);
        g.node("ConstantOfShape", &["t"], "k", vec![]);
    });
    assert!(sized.to_string().contains("nobody can say how large"), "{sized}");
    let doubled = behind(|g| {
        g.node("Shape", &["u"], "d0", vec![]);
        for n in 0..40 {
            let (from, to) = (format!("d{n}"), format!("d{}", n + 1));
            g.node("Concat", &[&from, &from], &to, vec![int("axis", 0)]);
        }
        g.node("Identity", &["d40"], "k", vec![]);
    });
    assert_eq!(doubled.kind(), Kind::Limit, "{doubled}");
    let unknown = behind(|g| {
        g.i64("c", &[1], &[7]).node("NoOtherOperator", &["c"], "k", vec![]);
    });
    assert!(unknown.to_string().contains("nobody can say how large"), "{unknown}");
    // Reckoning with shapes goes on as it did: here it is tract that does not know the operator.
    let usual = behind(|g| {
        g.node("Shape", &["u"], "s", vec![]).i64("i", &[], &[2]).node("Gather", &["s", "i"], "h", vec![]);
        g.node("Cast", &["h"], "k", vec![int("to", 1)]);
    });
    assert!(usual.kind() == Kind::Model && !usual.to_string().contains("nobody can say"), "{usual}");
}

#[test]
fn known_operators_behind_an_unknown_one_still_work() {
    let generator = graph(|g| {
        g.node("Asinh", &["x"], "a", vec![]).node("Shape", &["a"], "s", vec![]);
        g.node("Reshape", &["a", "s"], "y", vec![]);
    });
    assert_eq!(generator.card().scale, 1);
}
