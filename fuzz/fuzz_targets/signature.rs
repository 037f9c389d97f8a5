//! Keys and signatures of minisign.
#![no_main]

mod shared;

use upres::trust::{Trust, Verdict};

const OURS: &str = include_str!("../../tests/data/minisign-ours.pub");

fn look(bytes: &[u8]) {
    let ours = Trust::new(&[OURS.lines().nth(1).unwrap_or_default()]);
    let ours = ours.unwrap_or_else(|error| panic!("{error}"));
    let verdict = ours.judge(b"these bytes nobody ever signed", Some(bytes));
    assert!(!matches!(verdict, Verdict::Good { .. }), "{verdict}");
    let _ = verdict.to_string();
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(trust) = Trust::new(&[text])
    {
        let _ = trust.judge(bytes, Some(bytes));
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
