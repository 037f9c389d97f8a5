//! Runs by recipe: they learn, resume to the bit, and stop at what is no number.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::card::Colour;
use crate::host::graph::Mode;
use crate::host::peers::testing::together;
use crate::host::photographs::{Patches, Photographs};
use candle_core::Device;

/// Ends the run at a step, as a power cut between two steps would.
struct Stop(u64);

impl Observer for Stop {
    fn step(&mut self, _step: u64, _costs: &Costs) {}
    fn measured(&mut self, run: &Run, samples: Vec<Sample>) -> Result<bool> {
        assert!(!samples.is_empty());
        Ok(run.step < self.0)
    }
}

/// A dozen steps of a network of four channels against a discriminator of four.
fn sketch(game: &str) -> Recipe {
    let changes = [
        "steps=12",
        "batch=2",
        "patch=8",
        "loss.lpips=0.0",
        "generator.channels=4",
        "generator.blocks=1",
        "generator.scale=2",
        "optimiser.rate=1e-3",
        "optimiser.warm_up=2",
        "adversary.channels=4",
    ];
    let mut changes: Vec<String> = changes.map(String::from).to_vec();
    changes.push(format!("adversary.game={game}"));
    load("edge-gan", &changes).unwrap()
}

fn photographs() -> (tempfile::TempDir, Vec<Photographs>) {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..2u32 {
        let picture = image::RgbImage::from_fn(44, 40, |x, y| {
            image::Rgb([(x * 5) as u8, (y * 6 + n * 50) as u8, ((x * x + y * (n + 3)) % 256) as u8])
        });
        picture.save(folder.path().join(format!("{n}.png"))).unwrap();
    }
    let data = vec![Photographs::read(folder.path(), 2, 8, Degradation::Bicubic).unwrap()];
    (folder, data)
}

fn new(recipe: Recipe) -> Run {
    Run::new(recipe, None, None, &Sources::default(), &Device::Cpu).unwrap()
}

const RHYTHM: Rhythm = Rhythm { measure: 1, photographs: 1, side: 16, workers: 1 };

#[test]
fn interrupted_equals_uninterrupted_bit_for_bit() {
    let (folder, data) = photographs();
    let judged = Some((data.as_slice(), None));
    let mut whole = new(sketch("relativistic"));
    teach(&mut whole, &data, judged, RHYTHM, &mut Stop(99)).unwrap();
    let file = folder.path().join("checkpoint.safetensors");
    let mut first = new(sketch("relativistic"));
    teach(&mut first, &data, judged, RHYTHM, &mut Stop(5)).unwrap();
    first.save(&file).unwrap();
    let mut second = Run::load(&file, None, &Sources::default(), &Device::Cpu).unwrap();
    assert_eq!((second.step, &second.recipe), (5, &first.recipe));
    // More workers change nothing.
    teach(&mut second, &data, judged, Rhythm { workers: 3, ..RHYTHM }, &mut Stop(99)).unwrap();
    assert_eq!(second.history, whole.history);
    assert_eq!(second.averaged().unwrap(), whole.averaged().unwrap());
    let state = |run: Run| run.adversary.unwrap().adam.state().unwrap();
    assert_eq!(state(second), state(whole));
    let finished = Finished::load(&file).unwrap();
    assert_eq!(finished.table, first.averaged().unwrap());
}

#[test]
fn a_discriminator_learns_to_tell_and_a_generator_to_please() {
    let (_folder, data) = photographs();
    for game in ["relativistic", "non-saturating"] {
        let mut recipe = sketch(game);
        recipe.steps = 400;
        recipe.adversary.as_mut().unwrap().optimiser.rate = 1e-3;
        recipe.loss.pixel = None;
        let mut run = new(recipe.clone());
        let batch = |step| data[0].batch(&mut Run::random(1, step), 2, 8);
        let gap = |costs: &Costs| costs["d_real"] - costs["d_fake"];
        // Alone, the discriminator tells real from fake.
        run.recipe.adversary.as_mut().unwrap().head_start = 60;
        let first = run.take_step(&batch(0)).unwrap();
        assert!(!first.contains_key("loss") && first["d_loss"].is_finite());
        let told = (1..60).map(|step| gap(&run.take_step(&batch(step)).unwrap())).last().unwrap();
        assert!(told > gap(&first) + 0.02, "{game}: {} {told}", gap(&first));
        // Against a discriminator that stands still, the generator's loss falls.
        run.recipe.adversary.as_mut().unwrap().optimiser.rate = 1e-12;
        let fixed = batch(7);
        let before = run.take_step(&fixed).unwrap()["adversarial"];
        let after = (0..60).map(|_| run.take_step(&fixed).unwrap()["adversarial"]).last().unwrap();
        assert!(after < before, "{game}: {before} {after}");
    }
}

#[test]
fn what_is_no_number_stops_the_run_before_it_is_learned() {
    let (_folder, data) = photographs();
    let mut run = new(sketch("relativistic"));
    let before = run.averaged().unwrap();
    let mut patches = data[0].batch(&mut Run::random(1, 0), 2, 8);
    patches.low[5] = f32::NAN;
    let error = run.take_step(&patches).unwrap_err().to_string();
    assert!(error.contains("no number any more at step 1") && error.contains("checkpoint"), "{error}");
    assert_eq!(run.averaged().unwrap(), before);
}

/// Is never to be asked to save.
struct Never;
impl Observer for Never {
    fn step(&mut self, _step: u64, _costs: &Costs) {}
    fn measured(&mut self, _run: &Run, _samples: Vec<Sample>) -> Result<bool> {
        panic!("saved")
    }
}

/// A gradient without bound behind a loss that is a number: the weights are lost, and the checkpoint before is kept.
#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let (_folder, data) = photographs();
    let mut run = new(sketch("relativistic"));
    run.sound().unwrap();
    let mut lost = run.learner.weights.table().unwrap();
    let values: Vec<f32> = vec![f32::INFINITY; lost["layer.0.bias"].len()];
    let var = run.learner.weights.variables().nth(1).unwrap();
    var.set(&candle_core::Tensor::from_vec(values.clone(), var.shape(), &Device::Cpu).unwrap()).unwrap();
    lost.insert("layer.0.bias".into(), values);
    assert_eq!(run.learner.weights.table().unwrap(), lost);
    let error = run.sound().unwrap_err().to_string();
    assert!(error.contains("'layer.0.bias' are no numbers") && error.contains("checkpoint"), "{error}");
    assert!(teach(&mut run, &data, None, RHYTHM, &mut Never).is_err());
}

#[test]
fn what_cannot_be_learned_is_said_before_it_begins() {
    let said = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = sketch("relativistic");
        change(&mut recipe);
        recipe.validate().unwrap_err().to_string()
    };
    assert!(said(&|recipe| recipe.steps = 0).contains("no steps"));
    assert!(said(&|recipe| recipe.loss.lpips = 1.0).contains("patches of 16 pixels"));
    let silent = said(&|recipe| {
        recipe.loss.pixel = None;
        recipe.adversary = None;
    });
    assert!(silent.contains("no loss"), "{silent}");
    let several = said(&|recipe| {
        recipe.generator.name = "mdsr".into();
        recipe.adversary.as_mut().unwrap().name = "srgan".into();
    });
    assert!(several.contains("crops of one size"), "{several}");
    let factor = load("enhancenet-pat", &["loss.features.0.factor=nan".into()]).unwrap_err().to_string();
    assert!(factor.contains("factor must lie"), "{factor}");
}

#[test]
fn a_teacher_that_shows_no_features_is_refused() {
    let finished = |name: &str| {
        let mut recipe = sketch("relativistic");
        recipe.generator.name = name.into();
        recipe.adversary = None;
        new(recipe).finished().unwrap()
    };
    let mut recipe = sketch("relativistic");
    recipe.loss.teacher = Some(Teacher { output: 1.0, attention: 1.0 });
    let said = |teacher: &Finished| {
        Run::new(recipe.clone(), None, Some(teacher), &Sources::default(), &Device::Cpu).unwrap_err().to_string()
    };
    assert!(said(&finished("vdsr")).contains("loss.teacher.attention=0.0"));
    let mut other = sketch("relativistic");
    other.generator.scale = Some(3);
    let other = said(&new(other).finished().unwrap());
    assert!(other.contains("the teacher") && other.contains("no x2"), "{other}");
}

#[test]
fn a_pupil_comes_nearer_to_its_teacher() {
    let (_folder, data) = photographs();
    let mut recipe = sketch("relativistic");
    recipe.adversary = None;
    recipe.loss = Losses { teacher: Some(Teacher { output: 1.0, attention: 1.0 }), ..Losses::default() };
    recipe.steps = 200;
    let error = Run::new(recipe.clone(), None, None, &Sources::default(), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("--teacher"), "{error}");
    let mut teacher = new(Recipe { seed: 9, ..sketch("relativistic") });
    let patches: Patches = data[0].batch(&mut Run::random(1, 0), 2, 8);
    for _ in 0..12 {
        teacher.take_step(&patches).unwrap();
    }
    let teacher = teacher.finished().unwrap();
    let mut run = Run::new(recipe, None, Some(&teacher), &Sources::default(), &Device::Cpu).unwrap();
    let first = run.take_step(&patches).unwrap();
    let last = (0..80).map(|_| run.take_step(&patches).unwrap()).last().unwrap();
    for name in ["teacher", "attention"] {
        assert!(last[name] < 0.8 * first[name], "{name}: {first:?} {last:?}");
    }
}

#[test]
fn a_luma_network_starts_its_rgb_twin() {
    let luma = new(sketch("relativistic")).finished().unwrap();
    let mut recipe = sketch("relativistic");
    recipe.generator.colour = Some(Colour::Rgb);
    let twin = Run::new(recipe, Some(&luma), None, &Sources::default(), &Device::Cpu).unwrap();
    let (generator, weights) = luma.open(&Device::Cpu).unwrap();
    let (_folder, data) = photographs();
    let patches = data[0].middle(0, 16);
    let (made, _) = twin.show(&twin.average_tensors().unwrap(), &patches, twin.head(0).1).unwrap();
    let low = candle_core::Tensor::from_slice(&patches.low, (1, 3, 16, 16), &Device::Cpu).unwrap();
    let painter = Painter::new(Colour::Luma, patches.size, 2, &Device::Cpu).unwrap();
    let luma = generator.graph.run(&weights, &painter.input(&low).unwrap(), Mode::Judging).unwrap().first().unwrap();
    // The twin's luma is the luma network's, but for the rounding of the twin's picture and what was clamped.
    let own = painter.luma(&made).unwrap();
    let far = (own - luma.clamp(0.0, 1.0).unwrap()).unwrap().abs().unwrap().mean_all().unwrap();
    assert!(far.to_scalar::<f32>().unwrap() < 4e-3);
    let mut other = sketch("relativistic");
    other.generator.name = "srresnet".into();
    other.generator.blocks = Some(1);
    let finished = new(other).finished().unwrap();
    assert!(Run::new(sketch("relativistic"), Some(&finished), None, &Sources::default(), &Device::Cpu).is_err());
}

/// Each rank learns what one learns of the whole batch.
#[test]
fn ranks_learn_what_one_learns_alone() {
    let (_folder, data) = photographs();
    for game in ["non-saturating", "none"] {
        let mut recipe = sketch(if game == "none" { "relativistic" } else { game });
        if game == "none" {
            recipe.adversary = None;
        }
        let mut alone = new(recipe.clone());
        teach(&mut alone, &data, None, Rhythm { measure: 4, ..RHYTHM }, &mut Silent).unwrap();
        let ranks = together(2, |peers| {
            let mut run = new(recipe.clone()).joined(peers).unwrap();
            teach(&mut run, &data, None, Rhythm { measure: 4, ..RHYTHM }, &mut Silent).unwrap();
            (run.averaged().unwrap(), run.learner.weights.table().unwrap())
        });
        assert_eq!(ranks[0], ranks[1]);
        for (name, values) in alone.learner.weights.table().unwrap() {
            let far = values.iter().zip(&ranks[0].1[&name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 2e-4, "{game} {name}: {far}");
        }
    }
    let refused = together(3, |peers| new(sketch("relativistic")).joined(peers).unwrap_err().to_string());
    assert!(refused.iter().all(|error| error.contains("a batch of 2") && error.contains("3 GPUs")), "{refused:?}");
    let strangers = together(2, |peers| {
        let seed = peers.rank() as u64;
        new(Recipe { seed, ..sketch("relativistic") }).joined(peers).unwrap_err().to_string()
    });
    assert!(strangers.iter().all(|error| error.contains("come apart")), "{strangers:?}");
}

/// Measures nothing, shows nothing, goes on.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _step: u64, _costs: &Costs) {}
    fn measured(&mut self, _run: &Run, _samples: Vec<Sample>) -> Result<bool> {
        Ok(true)
    }
}

/// On the CPU bf16 is emulated, convolution by convolution; the weights stay f32 and the losses follow f32's.
#[test]
fn bf16_learns_nearly_the_same() {
    let (_folder, data) = photographs();
    let recipe = |precision| Recipe { precision, steps: 40, ..sketch("non-saturating") };
    let [exact, coarse] = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut run = new(recipe(precision));
        let costs = (0..12).map(|step| run.take_step(&data[0].batch(&mut Run::random(1, step), 2, 8)).unwrap());
        let losses: Vec<(f64, f64)> = costs.map(|costs| (costs["pixel"], costs["d_loss"])).collect();
        (losses, run.averaged().unwrap())
    });
    for (n, (a, b)) in exact.0.iter().zip(&coarse.0).enumerate() {
        assert!((a.0 - b.0).abs() < 0.05 * a.0 && (a.1 - b.1).abs() < 0.05 * a.1, "{n}: {a:?} {b:?}");
    }
    assert!(exact.1 != coarse.1 && coarse.1.values().flatten().all(|value| value.is_finite()));
    let text = toml::to_string(&recipe(Precision::Bf16)).unwrap();
    assert!(
        text.contains("precision = \"bf16\"") && !toml::to_string(&recipe(Precision::F32)).unwrap().contains("prec")
    );
    assert_eq!(load("edge-gan", &["precision=bf16".into()]).unwrap().precision, Precision::Bf16);
}

#[test]
fn damaged_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.safetensors");
    new(sketch("relativistic")).save(&file).unwrap();
    let good = std::fs::read(&file).unwrap();
    for damage in [good[..good.len() / 2].to_vec(), vec![0; 64], Vec::new()] {
        std::fs::write(&file, damage).unwrap();
        let message = Run::load(&file, None, &Sources::default(), &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("checkpoint"), "{message}");
        assert!(Finished::load(&file).is_err());
    }
}
