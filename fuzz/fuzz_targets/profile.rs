//! What `upres tune` measured, and what a board is.
#![no_main]

mod shared;

use upres::device::board::Board;
use upres::profile::Profile;

fn look(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Profile::parse(text);
        let _ = Board::from_toml(text);
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
