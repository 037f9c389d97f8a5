//! `upres verify`: looks models over before anyone relies on them.

use crate::model::ZooArgs;
use crate::models::short;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use upres::card::Tiling;
use upres::error::{Error, Result};
use upres::onnx::Limits;
use upres::trust::Verdict;
use upres::zoo::{Examination, Facts, Origin, Place, Zoo};

/// Options of `upres verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to look over: names of `upres models`, FILE.onnx, folders with model.onnx, folders of models [default: everything that is
    /// compiled in or lies in --models-dir]
    #[arg(value_name = "NAME|FILE|DIR")]
    models: Vec<String>,
    #[command(flatten)]
    zoo: ZooArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `upres verify`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let zoo = args.zoo.zoo()?;
    let mut found: Vec<Examination> = Vec::new();
    if args.models.is_empty() {
        found.extend(zoo.places()?.iter().map(|place| zoo.examine(place)));
    }
    for model in &args.models {
        found.extend(examined(&zoo, args, model));
    }
    let all_good = found.iter().all(Examination::is_good);
    if args.json {
        let models: Vec<Value> = found.iter().map(value).collect();
        println!("{:#}", json!({ "good": all_good, "models": models }));
    } else {
        for one in &found {
            println!("{}", line(one));
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `model` names, looked over: one model, or all of a folder of models. What cannot be found is told like any other finding.
fn examined(zoo: &Zoo, args: &Args, model: &str) -> Vec<Examination> {
    let path = Path::new(model);
    let missing = |error: Error| {
        let place = Place { name: model.into(), origin: Origin::File(PathBuf::from(model)) };
        Examination::of(place, vec![error.to_string()])
    };
    let one = || zoo.find(model).map_or_else(missing, |place| zoo.examine(&place));
    if !path.is_dir() || path.join("model.onnx").is_file() {
        return vec![one()];
    }
    match args.zoo.zoo_of(path).and_then(|zoo| zoo.places()) {
        Ok(places) => {
            let files = places.iter().filter(|place| place.origin != Origin::BuiltIn);
            let files: Vec<_> = files.map(|place| zoo.examine(place)).collect();
            if files.is_empty() { vec![one()] } else { files }
        }
        Err(error) => vec![missing(error)],
    }
}

/// One line for one model.
fn line(found: &Examination) -> String {
    let mut parts = vec![format!("{:4} {}", if found.is_good() { "good" } else { "BAD" }, name(&found.place))];
    parts.extend(found.findings.iter().map(|finding| finding.replace('\n', " ")));
    if found.is_good() {
        parts.push(match &found.verdict {
            None => "part of the program".into(),
            // Without keys nothing is known about whose it is.
            Some(Verdict::Foreign(key)) => format!("signed by key {key}, not checked without --trusted-key"),
            Some(verdict) => verdict.to_string(),
        });
        parts.push(digest_line(found));
    }
    if let Some(facts) = found.facts.as_ref().filter(|_| found.is_good()) {
        parts.push(facts_line(facts));
    }
    if let Some(digest) = &found.digest {
        parts.push(format!("sha256 {digest}"));
    }
    parts.join("; ")
}

fn name(place: &Place) -> String {
    match &place.origin {
        Origin::BuiltIn => place.name.clone(),
        Origin::File(path) => path.display().to_string(),
    }
}

fn digest_line(found: &Examination) -> String {
    match found.digest_agrees {
        Some(true) => "the card names its digest".into(),
        _ => "no card names its digest".into(),
    }
}

fn facts_line(facts: &Facts) -> String {
    let reach = |tiling: &Tiling| match tiling {
        Tiling::Halo(halo) => format!("{halo} pixels"),
        Tiling::Whole(_) => "the whole picture".into(),
    };
    let card = match &facts.said {
        Some(said) if *said == facts.tiling => ", as the card says".into(),
        Some(said) => format!(", the card says {}", reach(said)),
        None => String::new(),
    };
    let unknown = facts.unknown.as_ref().map_or_else(String::new, |node| format!(" up to {node}, which is not known"));
    format!(
        "{} operators, {} bytes of weights, {} multiply-adds a pixel{unknown}; looks at {}{card}",
        facts.operators,
        short(facts.weight_bytes as f64),
        short(facts.mac_per_pixel),
        reach(&facts.tiling),
    )
}

/// The same for scripts.
fn value(found: &Examination) -> Value {
    let (signature, key, comment) = match &found.verdict {
        None => ("built in", None, None),
        Some(Verdict::Good { key, comment }) => ("good", Some(key.to_string()), Some(comment.clone())),
        Some(Verdict::Bad(key)) => ("bad", Some(key.to_string()), None),
        Some(Verdict::Foreign(key)) => ("of another key", Some(key.to_string()), None),
        Some(Verdict::Missing) => ("none", None, None),
        Some(Verdict::Damaged(_)) => ("damaged", None, None),
    };
    let limits = Limits::default();
    let facts = found.facts.as_ref().map(|facts| {
        json!({
            "operators": facts.operators, "most_operators": limits.nodes,
            "weight_bytes": facts.weight_bytes, "most_weight_bytes": limits.weight_bytes,
            "mac_per_pixel": facts.mac_per_pixel, "most_mac_per_pixel": limits.mac_per_pixel,
            "receptive_field": facts.tiling, "card_says": facts.said, "unknown": facts.unknown,
        })
    });
    let file = match &found.place.origin {
        Origin::BuiltIn => None,
        Origin::File(path) => Some(path.display().to_string()),
    };
    json!({
        "name": found.place.name, "file": file, "good": found.is_good(), "findings": found.findings,
        "digest": found.digest, "digest_agrees": found.digest_agrees,
        "signature": { "state": signature, "key": key, "trusted_comment": comment },
        "facts": facts,
    })
}
