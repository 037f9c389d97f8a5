//! A model's card, as TOML and as JSON.
#![no_main]

mod shared;

use upres::card::Card;

fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for card in [Card::from_toml(text), Card::from_json(text)].into_iter().flatten() {
        let again = card.to_toml().and_then(|text| Card::from_toml(&text));
        assert!(again.is_ok(), "{card:?} cannot be read again: {again:?}");
        let _ = card.to_json();
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
