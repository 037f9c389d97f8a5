//! `upres models`: lists the generators at hand.

use crate::model::ZooArgs;
use serde_json::json;
use std::process::ExitCode;
use upres::card::{Card, Colour, Precision, Tiling};
use upres::error::Result;
use upres::zoo::{DEFAULT, Entry, Origin};

/// Options of `upres models`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    zoo: ZooArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `upres models`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let entries = args.zoo.zoo()?.list()?;
    if args.json {
        let list: Vec<_> = entries
            .iter()
            .map(|e| json!({ "card": e.card, "file": file(e), "default": e.card.name == DEFAULT }))
            .collect();
        println!("{:#}", json!({ "models": list }));
    } else if entries.is_empty() {
        println!("no models at hand; give --models-dir, or name a FILE.onnx");
    } else {
        table(&entries);
    }
    Ok(ExitCode::SUCCESS)
}

fn file(entry: &Entry) -> Option<String> {
    match &entry.origin {
        Origin::BuiltIn => None,
        Origin::File(path) => Some(path.display().to_string()),
    }
}

fn table(entries: &[Entry]) {
    let width = entries.iter().map(|e| e.card.name.len()).max().unwrap_or(4).max(4);
    println!("{:width$}  scale  takes  arithmetic  weights  MAC/pixel  halo  Set5 PSNR-Y  from", "name");
    for entry in entries {
        let Card { name, scale, parameters, mac_per_pixel, .. } = &entry.card;
        println!(
            "{name:width$}  x{scale:<4}  {:5}  {:10}  {:>7}  {:>9}  {:>4}  {:>11}  {}{}",
            colour(entry.card.colour),
            precision(entry.card.precision),
            short(*parameters as f64),
            short(*mac_per_pixel),
            halo(&entry.card.tiling),
            set5(&entry.card),
            file(entry).unwrap_or_else(|| "built in".into()),
            if name == DEFAULT { " (default)" } else { "" },
        );
    }
}

fn set5(card: &Card) -> String {
    let score = card.scores.iter().find(|(set, _)| set.eq_ignore_ascii_case("set5")).and_then(|(_, s)| s.get("psnr_y"));
    score.map_or_else(|| "-".into(), |psnr| format!("{psnr:.2} dB"))
}

fn halo(tiling: &Tiling) -> String {
    match tiling {
        Tiling::Halo(halo) => halo.to_string(),
        Tiling::Whole(_) => "none".into(),
    }
}

/// What a generator is fed with, for people.
pub(crate) fn colour(colour: Colour) -> &'static str {
    match colour {
        Colour::Luma => "luma",
        Colour::Rgb => "RGB",
    }
}

/// Its arithmetic, for people.
pub(crate) fn precision(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "float32",
        Precision::Int8 => "int8",
    }
}

/// A count with three digits and a letter: 26.1K, 4.85M.
pub(crate) fn short(count: f64) -> String {
    let (value, letter) = match count {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e3 => (n / 1e3, "K"),
        n => return format!("{n:.0}"),
    };
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{letter}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn counts_have_three_digits() {
        let pairs =
            [(0.0, "0"), (999.0, "999"), (1234.0, "1.23K"), (26_100.0, "26.1K"), (99_960.0, "100K"), (4.85e6, "4.85M")];
        for (count, expected) in pairs {
            assert_eq!(short(count), expected);
        }
    }
}
