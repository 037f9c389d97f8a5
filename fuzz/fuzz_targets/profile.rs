//! What `upres tune` measured.
#![no_main]

mod shared;

use upres::profile::Profile;

fn look(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Profile::parse(text);
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
