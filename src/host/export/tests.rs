#![allow(clippy::unwrap_used)]

use super::*;
use crate::host::calibrate::{Method, Sample};
use crate::host::quantise::{Options, quantise};
use crate::onnx;

fn recipe() -> Recipe {
    Recipe::from([("steps".into(), "10".into())])
}

fn quantised(chain: &Chain) -> IntegerChain {
    let colour = if chain.planes() == 1 { Colour::Luma } else { Colour::Rgb };
    let low = Maps::from_samples(Size::new(30, 30), &probe(Size::new(30, 30), colour));
    let samples = [Sample { high: chain.forward(&low), low }];
    quantise(chain, &samples, Options { method: Method::MinMax, weight_bits: 8 }).unwrap()
}

#[test]
fn every_scale_runs_on_tract_as_it_runs_here() {
    for (planes, scale, widths) in [(1, 2, vec![4]), (1, 3, vec![8, 8, 8]), (1, 4, vec![16, 8]), (3, 2, vec![8, 8])] {
        let chain = Chain::sketch_of(planes, scale, &widths);
        let artefact = Artefact::float(&chain, &recipe(), "sketch").unwrap();
        let worst = artefact.verify(|plane| chain.forward(plane), FLOAT_TOLERANCE).unwrap();
        assert!(worst < 1e-5, "{worst}");
    }
}

#[test]
fn both_int8_forms_stay_within_a_step_of_the_whole_numbers() {
    for (planes, scale, widths) in [(1, 2, vec![8]), (1, 4, vec![16, 16, 16]), (3, 2, vec![8, 8])] {
        let quantised = quantised(&Chain::sketch_of(planes, scale, &widths));
        for form in [Form::QLinear, Form::Qdq] {
            let artefact = Artefact::int8(&quantised, form, &recipe(), "sketch").unwrap();
            let worst = artefact.verify(|plane| quantised.forward(plane), f32::INFINITY).unwrap();
            let step = quantised.layers.last().unwrap().step;
            assert!(worst <= 1.001 * step, "{form:?}: {} steps", worst / step);
        }
    }
}

#[test]
fn another_network_is_noticed() {
    let chain = Chain::sketch(2, &[4]);
    let artefact = Artefact::float(&chain, &recipe(), "sketch").unwrap();
    let mut other = chain.clone();
    other.layers[0].bias[1] += 0.1;
    let error = artefact.verify(|plane| other.forward(plane), FLOAT_TOLERANCE).unwrap_err();
    assert!(error.to_string().contains("differs from its network"), "{error}");
}

#[test]
fn the_card_inside_says_what_the_graph_is() {
    let chain = Chain::sketch(4, &[16, 16]);
    let float = Artefact::float(&chain, &recipe(), "small").unwrap();
    let int8 = Artefact::int8(&quantised(&chain), Form::QLinear, &recipe(), "small-int8").unwrap();
    for (artefact, precision) in [(&float, Precision::F32), (&int8, Precision::Int8)] {
        let model = onnx::read(&artefact.model, &Limits::default()).unwrap();
        let analysis = onnx::analyse(&model, &Limits::default()).unwrap();
        let inside = model.metadata_props.iter().find(|p| p.key == METADATA_KEY).unwrap();
        let inside = Card::from_json(&inside.value).unwrap();
        assert_eq!(inside, Card { digest: String::new(), ..artefact.card.clone() });
        assert_eq!((analysis.scale, analysis.colour, analysis.precision), (Some(4), Colour::Luma, precision));
        assert_eq!((&analysis.tiling, &inside.tiling), (&Tiling::Halo(3), &Tiling::Halo(3)));
        assert_eq!(inside.parameters, chain.parameters());
        assert_eq!(inside.training, recipe());
        assert_eq!(artefact.card.digest, digest(&artefact.model));
        assert!(inside.fixed_size.is_none() && analysis.fixed_size.is_none());
    }
}

#[test]
fn files_land_in_a_folder_or_under_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let artefact = Artefact::float(&Chain::sketch(2, &[4]), &recipe(), "tiny").unwrap();
    let model = artefact.save(&folder.path().join("tiny")).unwrap();
    assert_eq!(std::fs::read(&model).unwrap(), artefact.model);
    let card = std::fs::read_to_string(folder.path().join("tiny/card.toml")).unwrap();
    assert_eq!(Card::from_toml(&card).unwrap(), artefact.card);
    artefact.save(&folder.path().join("other.onnx")).unwrap();
    assert!(folder.path().join("other.onnx").is_file() && folder.path().join("other.card.toml").is_file());
}

#[test]
fn scores_go_on_the_card_and_leave_the_network_alone() {
    let folder = tempfile::tempdir().unwrap();
    let artefact = Artefact::float(&Chain::sketch(2, &[4]), &recipe(), "tiny").unwrap();
    let model = artefact.save(&folder.path().join("tiny")).unwrap();
    let scores = BTreeMap::from([("Set5".to_string(), BTreeMap::from([("psnr_y".to_string(), 36.25)]))]);
    Artefact::open(&model).unwrap().with_scores(scores.clone()).unwrap().save(&folder.path().join("tiny")).unwrap();
    let scored = Artefact::open(&model).unwrap();
    assert_eq!(scored.card, Card { scores, digest: digest(&scored.model), ..artefact.card.clone() });
    let graph = |bytes: &[u8]| onnx::read(bytes, &Limits::default()).unwrap().graph;
    assert_eq!(graph(&scored.model), graph(&artefact.model));
    let beside = std::fs::read_to_string(folder.path().join("tiny/card.toml")).unwrap();
    assert_eq!(Card::from_toml(&beside).unwrap(), scored.card);
}

#[test]
fn outputs_suggest_names() {
    for (output, name) in [("models/small-x4", "small-x4"), ("a/b.onnx", "b"), ("c/", "c")] {
        assert_eq!(name_of(Path::new(output)).unwrap(), name);
    }
    assert!(name_of(Path::new("..")).is_err());
}
