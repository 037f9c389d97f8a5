//! A Y4M stream to its end, and the header written again.
#![no_main]

mod shared;

use upres::y4m::{Header, Reader};

fn look(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let header = reader.header().clone();
    let again = Header::parse(&header.to_string());
    assert!(again.is_ok_and(|again| again.frame_bytes() == header.frame_bytes()), "{header} cannot be read again");
    let mut frame = Vec::new();
    while let Ok(true) = reader.next_frame(&mut frame) {
        assert_eq!(frame.len(), header.frame_bytes());
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
