//! `upres info`: tells all about one generator.

use crate::model::{CorrectionArgs, ZooArgs};
use crate::models::{colour, precision, short};
use serde_json::json;
use std::process::ExitCode;
use upres::card::Tiling;
use upres::error::Result;
use upres::session::TractGenerator;
use upres::upscale::Generator;

/// Options of `upres info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model: a NAME of `upres models`, or a FILE.onnx
    #[arg(value_name = "NAME|FILE")]
    model: String,
    #[command(flatten)]
    zoo: ZooArgs,
    #[command(flatten)]
    corrections: CorrectionArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `upres info`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let generator = args.zoo.zoo()?.open(&args.model, &args.corrections.overrides())?;
    if args.json {
        let analysis = generator.analysis();
        let answer = json!({
            "card": generator.card(),
            "operators": analysis.operators,
            "bytes_per_pixel": analysis.bytes_per_pixel,
            "multiple": analysis.multiple,
            "strength": generator.can_blend(),
            "cpu": generator.level().name(),
            "engine": engine(&generator),
        });
        println!("{answer:#}");
    } else {
        print(&generator);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(generator: &TractGenerator) {
    let (card, analysis) = (generator.card(), generator.analysis());
    let line = |name: &str, value: String| println!("{name:22}{value}");
    line("name", card.name.clone());
    line("factor", format!("x{}", card.scale));
    line("takes", format!("{}, {} to {}", colour(card.colour), card.range[0], card.range[1]));
    line("arithmetic", precision(card.precision).into());
    line("parameters", format!("{} ({})", card.parameters, short(card.parameters as f64)));
    line("work", format!("{} multiply-adds a low-resolution pixel", short(card.mac_per_pixel)));
    line("memory", format!("{} bytes a low-resolution pixel, all layers together", short(analysis.bytes_per_pixel)));
    match &card.tiling {
        Tiling::Halo(halo) => line("receptive field", format!("{halo} pixels to each side; tiles need this halo")),
        Tiling::Whole(reason) => line("receptive field", format!("cannot be tiled: {reason}")),
    }
    match (card.fixed_size(), analysis.multiple) {
        (Some(size), _) => line("sizes", format!("{size} only")),
        (None, 1) => line("sizes", format!("any from {0}x{0}", card.min_side)),
        (None, m) => line("sizes", format!("any from {0}x{0}; filled up to multiples of {m}", card.min_side)),
    }
    if generator.can_blend() {
        line("strength", "0 to 1, by --strength: from what is sure to all the detail it can invent".into());
    }
    let operators: Vec<String> = analysis.operators.iter().map(|(op, n)| format!("{n} {op}")).collect();
    line("operators", operators.join(", "));
    let recognised = generator.recognised();
    match (generator.is_whole(), recognised.islands.len()) {
        (true, _) => line("engine", format!("runs all of it on {}", generator.level().name())),
        (false, 0) => line("engine", "runs nothing of it: all is left to tract".into()),
        (false, n) => {
            let taken: usize = recognised.islands.iter().map(|island| island.operators).sum();
            let all = recognised.operators;
            line("engine", format!("runs {taken} of {all} operators in {n} parts; the rest is left to tract"));
        }
    }
    for (reason, operators) in left(generator) {
        line("left to tract", format!("{}: {reason}", operators.join(", ")));
    }
    line("digest", format!("sha256 {}", card.digest));
    for (key, value) in &card.training {
        line(&format!("training {key}"), value.clone());
    }
    for (set, scores) in &card.scores {
        let scores: Vec<String> = scores.iter().map(|(metric, value)| format!("{metric} {value:.4}")).collect();
        line(&format!("score {set}"), scores.join(", "));
    }
}

/// Why operators are left to tract, and a few of those that are.
fn left(generator: &TractGenerator) -> Vec<(String, Vec<String>)> {
    const SHOWN: usize = 3;
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (operator, reason) in &generator.recognised().left {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, operators)) => operators.push(operator.clone()),
            None => reasons.push((reason.clone(), vec![operator.clone()])),
        }
    }
    for (_, operators) in &mut reasons {
        let more = operators.len().saturating_sub(SHOWN);
        operators.truncate(SHOWN);
        if more > 0 {
            operators.push(format!("{more} more"));
        }
    }
    reasons
}

/// The same for scripts.
fn engine(generator: &TractGenerator) -> serde_json::Value {
    let recognised = generator.recognised();
    json!({
        "whole": generator.is_whole(),
        "parts": recognised.islands.len(),
        "operators": recognised.operators,
        "taken": recognised.islands.iter().map(|island| island.operators).sum::<usize>(),
        "left": recognised.left.iter().map(|(operator, why)| json!({"operator": operator, "why": why})).collect::<Vec<_>>(),
    })
}
