//! A picture of any format: header, then every row.
#![no_main]

mod shared;

use upres::codec::{self, Limits};

const LIMITS: Limits =
    Limits { side: 4096, pixels: 1 << 16, decoded: 4 << 20, metadata: 1 << 16, frames: 64, input: 1 << 20 };

fn look(bytes: &[u8]) {
    let Ok(mut source) = codec::read_from(bytes, &LIMITS) else { return };
    let info = source.info().clone();
    assert!(info.size.area() > 0 && info.size.area() as u64 <= LIMITS.pixels, "{}", info.size);
    assert!(source.held_bytes() <= LIMITS.decoded, "{} bytes held", source.held_bytes());
    let mut row = vec![0.0; info.size.width * info.layout.channels()];
    for _ in 0..info.size.height {
        if source.next_row(&mut row).is_err() {
            return;
        }
        assert!(row.iter().all(|sample| (0.0..=1.0).contains(sample)), "a sample out of range");
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
