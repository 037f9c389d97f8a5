#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::testing::{Noise, begin, chain, chain_int8, menagerie, same};
use super::*;
use crate::card::Precision;
use crate::error::Kind;
use crate::frame::Plane;
use crate::geometry::Rect;
use crate::onnx::build::{GraphBuilder, int, ints, text};

fn generator(model: &ModelProto) -> TractGenerator {
    TractGenerator::from_bytes("test", &model.to_bytes(), &Overrides::default(), Limits::default()).unwrap()
}

fn run(generator: &TractGenerator, planes: &[Plane]) -> Vec<Plane> {
    let size = planes[0].size;
    let large = enlarged(size, generator.card().scale);
    let input: Vec<f32> = planes.iter().flat_map(|p| p.data.clone()).collect();
    let mut output = vec![f32::NAN; large.area() * planes.len()];
    generator.plan(size).unwrap().run(&input, &mut output).unwrap();
    output.chunks(large.area()).map(|data| Plane { size: large, data: data.to_vec() }).collect()
}

/// Counts the samples of windows, a halo away from their inner edges, that differ in any bit from the whole picture's.
fn differing(generator: &TractGenerator, picture: Size, windows: &[Size], halo: usize) -> (usize, usize) {
    let mut noise = Noise(9);
    let planes = generator.card().colour.planes();
    let input: Vec<Plane> = (0..planes).map(|_| Plane::from_fn(picture, |_, _| noise.next() * 0.5 + 0.5)).collect();
    let whole = run(generator, &input);
    let scale = generator.card().scale;
    let (mut differ, mut all) = (0, 0);
    for &window in windows {
        for (x, y) in [
            (0, 0),
            (picture.width - window.width, 0),
            (7.min(picture.width - window.width), picture.height - window.height),
        ] {
            let crops: Vec<Plane> = input.iter().map(|p| p.crop(Rect::new(x, y, window))).collect();
            let left = if x == 0 { 0 } else { halo };
            let top = if y == 0 { 0 } else { halo };
            let right = if x + window.width == picture.width { 0 } else { halo };
            let bottom = if y + window.height == picture.height { 0 } else { halo };
            for (part, full) in run(generator, &crops).iter().zip(&whole) {
                for row in top * scale..(window.height - bottom) * scale {
                    for column in left * scale..(window.width - right) * scale {
                        let (a, b) = (part.row(row)[column], full.row(y * scale + row)[x * scale + column]);
                        differ += usize::from(a.to_bits() != b.to_bits());
                        all += 1;
                    }
                }
            }
        }
    }
    (differ, all)
}

const PICTURE: Size = Size::new(200, 150);
const WINDOWS: [Size; 5] =
    [Size::new(33, 40), Size::new(64, 64), Size::new(128, 96), Size::new(150, 150), Size::new(17, 131)];

#[test]
fn a_pixel_does_not_depend_on_the_size_of_its_window() {
    let models =
        [chain(4, 16), chain(2, 8), chain(3, 12), chain_int8(4, 16), chain_int8(2, 8), menagerie(1), menagerie(3)];
    for model in models {
        let generator = generator(&model);
        let Tiling::Halo(halo) = generator.card().tiling else { panic!("{:?}", generator.card().tiling) };
        let (differ, all) = differing(&generator, PICTURE, &WINDOWS, halo);
        assert_eq!(differ, 0, "of {all}");
        let (short, _) = differing(&generator, PICTURE, &WINDOWS, halo - 1);
        assert!(short > 0, "a halo one pixel too small is not seen");
    }
}

/// Where the outputs that a not-a-number at one input pixel reaches lie farthest from it.
fn observed_reach(generator: &TractGenerator) -> usize {
    let (size, scale) = (Size::new(41, 37), generator.card().scale);
    let (x, y) = (20, 18);
    let mut input = Plane::new(size);
    input.row_mut(y)[x] = f32::NAN;
    let output = &run(generator, &[input])[0];
    let mut reach = 0;
    for row in 0..output.size.height {
        for (column, value) in output.row(row).iter().enumerate() {
            if value.is_nan() {
                reach = reach.max((column / scale).abs_diff(x)).max((row / scale).abs_diff(y));
            }
        }
    }
    reach
}

/// A graph from `x` to `y` without ReLU, which would swallow a not-a-number.
fn linear(build: impl FnOnce(&mut GraphBuilder)) -> TractGenerator {
    let mut graph = begin(1);
    build(&mut graph);
    generator(&graph.finish())
}

fn conv(
    graph: &mut GraphBuilder,
    from: &str,
    to: &str,
    shape: [usize; 4],
    mut attributes: Vec<crate::onnx::proto::AttributeProto>,
) {
    let weights = vec![0.1; shape.iter().product()];
    attributes.push(ints("kernel_shape", &[shape[2] as i64, shape[3] as i64]));
    graph.f32(&format!("w_{to}"), &shape, &weights).node("Conv", &[from, &format!("w_{to}")], to, attributes);
}

fn shuffle(r: i64) -> Vec<crate::onnx::proto::AttributeProto> {
    vec![int("blocksize", r), text("mode", "CRD")]
}

#[test]
fn the_receptive_field_is_the_one_that_is_observed() {
    let resize = |mode: &'static str, place: &'static str, r: f32| {
        linear(|g| {
            g.f32("scales", &[4], &[1.0, 1.0, r, r]);
            let mode =
                vec![text("mode", mode), text("coordinate_transformation_mode", place), text("nearest_mode", "floor")];
            g.node("Resize", &["x", "", "scales"], "y", mode);
        })
    };
    let table: Vec<(&str, TractGenerator, usize)> = vec![
        ("one pixel", linear(|g| conv(g, "x", "y", [1, 1, 1, 1], vec![])), 0),
        (
            "dilated by 3",
            linear(|g| conv(g, "x", "y", [1, 1, 3, 3], vec![ints("pads", &[3; 4]), ints("dilations", &[3, 3])])),
            3,
        ),
        ("lopsided", linear(|g| conv(g, "x", "y", [1, 1, 2, 5], vec![ints("pads", &[1, 4, 0, 0])])), 4),
        (
            "5 then 3",
            linear(|g| {
                conv(g, "x", "a", [2, 1, 5, 5], vec![ints("pads", &[2; 4])]);
                conv(g, "a", "y", [1, 2, 3, 3], vec![ints("pads", &[1; 4])]);
            }),
            3,
        ),
        (
            "two branches",
            linear(|g| {
                conv(g, "x", "a", [2, 1, 7, 7], vec![ints("pads", &[3; 4])]);
                conv(g, "x", "b", [2, 1, 3, 3], vec![ints("pads", &[1; 4])]);
                g.node("Concat", &["a", "b"], "c", vec![int("axis", 1)]);
                conv(g, "c", "y", [1, 4, 1, 1], vec![]);
            }),
            3,
        ),
        (
            "convolutions on the fine grid",
            linear(|g| {
                conv(g, "x", "a", [4, 1, 3, 3], vec![ints("pads", &[1; 4])]);
                g.node("DepthToSpace", &["a"], "b", shuffle(2));
                conv(g, "b", "c", [4, 1, 3, 3], vec![ints("pads", &[1; 4])]);
                g.node("DepthToSpace", &["c"], "d", shuffle(2));
                conv(g, "d", "y", [1, 1, 5, 5], vec![ints("pads", &[2; 4])]);
            }),
            2,
        ),
        (
            "transposed convolution",
            linear(|g| {
                g.f32("w", &[1, 1, 9, 9], &[0.1; 81]);
                let form = vec![
                    ints("kernel_shape", &[9, 9]),
                    ints("strides", &[4, 4]),
                    ints("pads", &[4; 4]),
                    ints("output_padding", &[3, 3]),
                ];
                g.node("ConvTranspose", &["x", "w"], "y", form);
            }),
            1,
        ),
        (
            "pixel shuffle by hand",
            linear(|g| {
                conv(g, "x", "a", [4, 1, 3, 3], vec![ints("pads", &[1; 4])]);
                g.node("Shape", &["a"], "shape", vec![]);
                g.i64("at", &[2], &[2, 3]).node("Gather", &["shape", "at"], "sides", vec![]);
                g.i64("two", &[2], &[2, 2]).i64("front", &[4], &[1, 1, 2, 2]).i64("one", &[2], &[1, 1]);
                g.node("Concat", &["front", "sides"], "six", vec![int("axis", 0)]);
                g.node("Reshape", &["a", "six"], "b", vec![]);
                g.node("Transpose", &["b"], "c", vec![ints("perm", &[0, 1, 4, 2, 5, 3])]);
                g.node("Mul", &["sides", "two"], "large", vec![]);
                g.node("Concat", &["one", "large"], "four", vec![int("axis", 0)]);
                g.node("Reshape", &["c", "four"], "y", vec![]);
            }),
            1,
        ),
        (
            "padded by hand and cut",
            linear(|g| {
                g.i64("pads", &[8], &[0, 0, 2, 2, 0, 0, 2, 2]).node(
                    "Pad",
                    &["x", "pads"],
                    "a",
                    vec![text("mode", "reflect")],
                );
                conv(g, "a", "b", [1, 1, 3, 3], vec![]);
                g.i64("start", &[2], &[1, 1]).i64("end", &[2], &[-1, -1]).i64("axes", &[2], &[2, 3]);
                g.node("Slice", &["b", "start", "end", "axes"], "y", vec![]);
            }),
            1,
        ),
        (
            "mean of 3",
            linear(|g| {
                g.node("AveragePool", &["x"], "y", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]);
            }),
            1,
        ),
        ("nearest by 3", resize("nearest", "asymmetric", 3.0), 0),
        ("linear by 2", resize("linear", "half_pixel", 2.0), 1),
        ("linear by 4", resize("linear", "half_pixel", 4.0), 1),
        ("cubic by 2", resize("cubic", "half_pixel", 2.0), 2),
    ];
    for (name, generator, expected) in table {
        assert_eq!(generator.card().tiling, Tiling::Halo(expected), "{name}");
        assert_eq!(observed_reach(&generator), expected, "{name} in truth");
    }
}

#[test]
fn what_looks_at_the_whole_picture_cannot_be_tiled() {
    let gate = |g: &mut GraphBuilder, pooled: &str| {
        g.node("Sigmoid", &[pooled], "gate", vec![]).node("Mul", &["x", "gate"], "y", vec![]);
    };
    let table: Vec<(&str, TractGenerator)> = vec![
        (
            "GlobalAveragePool",
            linear(|g| {
                g.node("GlobalAveragePool", &["x"], "p", vec![]);
                gate(g, "p");
            }),
        ),
        (
            "ReduceMean",
            linear(|g| {
                g.node("ReduceMean", &["x"], "p", vec![ints("axes", &[2, 3])]);
                gate(g, "p");
            }),
        ),
        (
            "InstanceNormalization",
            linear(|g| {
                g.f32("one", &[1], &[1.0]).f32("zero", &[1], &[0.0]);
                g.node("InstanceNormalization", &["x", "one", "zero"], "y", vec![]);
            }),
        ),
        (
            "Softmax",
            linear(|g| {
                g.node("Softmax", &["x"], "y", vec![int("axis", 3)]);
            }),
        ),
        (
            "MatMul",
            linear(|g| {
                g.node("Transpose", &["x"], "t", vec![ints("perm", &[0, 1, 3, 2])]);
                g.node("MatMul", &["x", "t"], "a", vec![]).node("MatMul", &["a", "x"], "y", vec![]);
            }),
        ),
        (
            "keep only every 2. pixel",
            linear(|g| {
                g.node("SpaceToDepth", &["x"], "a", vec![int("blocksize", 2)]);
                g.node("DepthToSpace", &["a"], "y", vec![int("blocksize", 2)]);
            }),
        ),
        (
            "Resize",
            linear(|g| {
                g.f32("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
                let corners = vec![text("mode", "linear"), text("coordinate_transformation_mode", "align_corners")];
                g.node("Resize", &["x", "", "scales"], "y", corners);
            }),
        ),
        (
            "not known",
            linear(|g| {
                g.node("Tanh", &["x"], "t", vec![]).node("Asinh", &["t"], "y", vec![]);
            }),
        ),
    ];
    for (reason, generator) in table {
        let Tiling::Whole(said) = &generator.card().tiling else { panic!("{reason} was not seen") };
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn sides_are_filled_up_to_what_strides_need() {
    let generator = linear(|g| {
        g.node("SpaceToDepth", &["x"], "a", vec![int("blocksize", 4)]);
        g.node("DepthToSpace", &["a"], "y", vec![int("blocksize", 4)]);
    });
    assert_eq!((generator.analysis().multiple, generator.card().min_side), (4, 4));
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
        model.metadata_props.push(crate::onnx::proto::StringStringEntryProto { key: METADATA_KEY.into(), value });
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
