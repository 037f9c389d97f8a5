//! Names of sources, screens and regions.
#![no_main]

mod shared;

use upres::device::sink::screen::ScreenDevice;
use upres::device::source::camera::CameraOptions;
use upres::device::source::pattern::PatternOptions;
use upres::device::source::uri::{SourceUri, redact};
use upres::device::unpack::Crop;
use upres::geometry::Size;

fn look(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(uri) = text.parse::<SourceUri>() {
        let shown = uri.to_string();
        if let SourceUri::Network(_) = uri {
            assert!(!shown.contains('@'), "a password may be in {shown}");
        }
    }
    assert_eq!(redact(&redact(text)), redact(text));
    let _ = text.parse::<CameraOptions>();
    let _ = text.parse::<PatternOptions>();
    let _ = text.parse::<ScreenDevice>();
    let _ = text.parse::<Size>();
    if let Ok(crop) = text.parse::<Crop>() {
        for (size, group) in [(Size::new(640, 480), (2, 2)), (Size::new(1, 1), (2, 2)), (Size::new(7, 5), (2, 1))] {
            let inside = crop.inside(size, group);
            assert!(inside.right() <= size.width && inside.bottom() <= size.height, "{inside:?} in {size}");
        }
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
