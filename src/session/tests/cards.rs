//! Cards, ranges, sizes, and damaged files.

use super::{generator, graph, run, shuffle};
use crate::card::{Card, Colour, METADATA_KEY, Precision, Tiling};
use crate::error::Kind;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::onnx::Limits;
use crate::onnx::build::int;
use crate::onnx::proto::StringStringEntryProto;
use crate::session::testing::{Noise, begin, chain, chain_int8, same};
use crate::session::{Overrides, TractGenerator, enlarged};
use crate::upscale::Generator;

#[test]
fn sides_are_filled_up_to_what_strides_need() {
    let generator = graph(|g| {
        g.node("SpaceToDepth", &["x"], "a", vec![int("blocksize", 4)]);
        g.node("DepthToSpace", &["a"], "y", vec![int("blocksize", 4)]);
    });
    assert_eq!((generator.card().multiple, generator.card().min_side), (4, 4));
    let mut noise = Noise(4);
    let input = Plane::from_fn(Size::new(13, 6), |_, _| noise.next());
    assert!(run(&generator, std::slice::from_ref(&input))[0] == input);
}

#[test]
fn value_ranges_are_found_and_kept_from_the_caller() {
    // A network in 0…255 whose bias shows it: y = max(x − 100, 0) + min(x, 100).
    let mut graph = begin(1);
    graph.f32("hundred", &[], &[100.0]).f32("zero", &[], &[0.0]);
    graph.node("Sub", &["x", "hundred"], "a", vec![]).node("Relu", &["a"], "b", vec![]);
    graph.node("Min", &["x", "hundred"], "c", vec![]).node("Max", &["c", "zero"], "d", vec![]);
    graph.f32("k", &[4, 1, 1, 1], &[1.0; 4]);
    graph.node("Add", &["b", "d"], "e", vec![]).node("Div", &["e", "hundred"], "f", vec![]);
    graph.node("Floor", &["f"], "g", vec![]).f32("small", &[], &[1e-3]).node("Mul", &["g", "small"], "h", vec![]);
    graph.node("Add", &["e", "h"], "i", vec![]).node("Conv", &["i", "k"], "j", same(1));
    graph.node("DepthToSpace", &["j"], "y", shuffle(2));
    let bytes = graph.finish().to_bytes();
    let overrides = Overrides { range: Some([0.0, 255.0]), ..Overrides::default() };
    let told = TractGenerator::from_bytes("told", &bytes, &overrides, Limits::default()).unwrap();
    assert_eq!(told.card().range, [0.0, 255.0]);
    let out = &run(&told, &[Plane { size: Size::new(2, 1), data: vec![0.25, 0.75] }])[0];
    assert!(out.row(0).iter().zip([0.25, 0.25, 0.75, 0.75]).all(|(a, b)| (a - b).abs() < 1e-4), "{out:?}");

    let mut divided = begin(1);
    divided.f32("full", &[], &[255.0]).node("Div", &["x", "full"], "a", vec![]).node(
        "Mul",
        &["a", "full"],
        "y",
        vec![],
    );
    assert_eq!(generator(&divided.finish()).card().range, [0.0, 255.0]);
    assert_eq!(generator(&chain_int8(2, 8)).card().range, [0.0, 1.0]);
    assert_eq!(generator(&chain_int8(2, 8)).card().precision, Precision::Int8);
}

#[test]
fn a_card_in_the_file_is_held_against_the_graph() {
    let with_card = |change: fn(&mut Card)| {
        let mut model = chain(2, 8);
        let mut card = Card { name: "named".into(), range: [0.0, 2.0], ..generator(&model).card().clone() };
        change(&mut card);
        let value = card.to_json().unwrap();
        model.metadata_props.push(StringStringEntryProto { key: METADATA_KEY.into(), value });
        TractGenerator::from_bytes("file", &model.to_bytes(), &Overrides::default(), Limits::default())
    };
    let good = with_card(|card| card.tiling = Tiling::Halo(5)).unwrap();
    assert_eq!((good.card().name.as_str(), good.card().range), ("named", [0.0, 2.0]));
    assert_eq!(good.card().tiling, Tiling::Halo(5), "a card may ask for more than the graph needs");
    assert_eq!(good.card().digest.len(), 64);
    let refused = |change| with_card(change).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused(|card| card.tiling = Tiling::Halo(2)).contains("halo of 2 pixels, the graph looks 3"));
    assert!(refused(|card| card.scale = 4).contains("says ×4, the graph is ×2"));
    assert!(refused(|card| card.colour = Colour::Rgb).contains("planes"));
    assert!(refused(|card| card.precision = Precision::Int8).contains("Int8"));
}

#[test]
fn what_the_user_says_must_not_contradict_the_graph() {
    let bytes = chain(2, 8).to_bytes();
    let open = |overrides: Overrides| TractGenerator::from_bytes("m", &bytes, &overrides, Limits::default());
    for wrong in [
        Overrides { scale: Some(4), ..Overrides::default() },
        Overrides { colour: Some(Colour::Rgb), ..Overrides::default() },
        Overrides { halo: Some(2), ..Overrides::default() },
        Overrides { range: Some([1.0, 0.0]), ..Overrides::default() },
    ] {
        assert!(open(wrong.clone()).is_err(), "{wrong:?}");
    }
    let wide = open(Overrides { halo: Some(7), ..Overrides::default() }).unwrap();
    assert_eq!(wide.card().tiling, Tiling::Halo(7));
    let mut unknown = begin(1);
    unknown.node("Asinh", &["x"], "y", vec![]);
    let halo = Overrides { halo: Some(1), ..Overrides::default() };
    let told = TractGenerator::from_bytes("m", &unknown.finish().to_bytes(), &halo, Limits::default()).unwrap();
    assert_eq!(told.card().tiling, Tiling::Halo(1), "where the graph is not understood, the user's word counts");
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut fixed = begin(1);
    fixed.node("Identity", &["x"], "y", vec![]);
    let mut model = fixed.finish();
    let shape = model.graph.as_mut().unwrap().input[0]
        .r#type
        .as_mut()
        .unwrap()
        .tensor_type
        .as_mut()
        .unwrap()
        .shape
        .as_mut()
        .unwrap();
    shape.dim[2].value = Some(crate::onnx::build::size(6));
    shape.dim[3].value = Some(crate::onnx::build::size(9));
    let generator = generator(&model);
    assert_eq!(generator.card().fixed_size(), Some(Size::new(9, 6)));
    assert!(generator.plan(Size::new(9, 6)).is_ok());
    assert_eq!(generator.plan(Size::new(6, 9)).err().map(|e| e.kind()), Some(Kind::Model));
    let mut plan = generator.plan(Size::new(9, 6)).unwrap();
    assert!(plan.run(&[0.0; 53], &mut [0.0; 54]).is_err());
}

#[test]
fn damaged_models_never_panic() {
    let bytes = chain(2, 4).to_bytes();
    let mut state = 1_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let limits = Limits { tensor_elements: 1 << 24, ..Limits::default() };
    // The weights are most of the file; damage what is not weights.
    let structure: Vec<usize> = (0..bytes.len()).filter(|&i| i > bytes.len() - 300 || i < 700).collect();
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..=next(2) {
            damaged[structure[next(structure.len())]] = next(256) as u8;
        }
        if let Ok(generator) = TractGenerator::from_bytes("damaged", &damaged, &Overrides::default(), limits.clone()) {
            let size = Size::new(9, 7);
            let Ok(mut plan) = generator.plan(size) else { continue };
            let planes = generator.card().colour.planes();
            let _ = plan.run(
                &vec![f32::NAN; size.area() * planes],
                &mut vec![0.0; enlarged(size, generator.card().scale).area() * planes],
            );
        }
    }
}
