//! A client of `upres live`'s page: the service itself, on a connection without a network.
#![no_main]

mod shared;

use upres::device::sink::http::fuzzing::{TOKEN, converse};

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

fn look(bytes: &[u8]) {
    let Some((&first, request)) = bytes.split_first() else { return };
    let closed = first & 1 == 1;
    let answer = converse(request, closed);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "what came is no answer");
    assert!(holds(request, "secret") || !holds(&answer, "secret"), "a password was told");
    // Who does not know the token learns nothing.
    if closed && !holds(request, TOKEN) {
        assert!(!holds(&answer, "captured_fps") && !holds(&answer, "upres_"), "someone was let in without the token");
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
