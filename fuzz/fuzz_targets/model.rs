//! An ONNX file from outside: read, understood, recognised, packed, planned, and run once where it is small.
#![no_main]

mod shared;

use upres::geometry::Size;
use upres::kernel::Level;
use upres::onnx::Limits;
use upres::session::{Overrides, TractGenerator};
use upres::upscale::Generator;

/// Small enough that a run takes milliseconds.
const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    parsed_bytes: 64 << 20,
    nodes: 256,
    tensor_elements: 1 << 23,
    weight_bytes: 8 << 20,
    run_bytes: 128 << 20,
    mac_per_pixel: 20_000.0,
};

fn look(bytes: &[u8]) {
    let sum = bytes.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let levels = Level::available();
    let overrides = Overrides { cpu: levels.get(sum % levels.len()).copied(), ..Overrides::default() };
    let Ok(generator) = TractGenerator::from_bytes("fuzz", bytes, &overrides, LIMITS) else { return };
    if generator.can_blend() {
        let overrides = Overrides { strength: Some(0.5), ..overrides };
        let _ = TractGenerator::from_bytes("fuzz", bytes, &overrides, LIMITS);
    }
    let card = generator.card();
    assert!((1..=16).contains(&card.scale), "a scale of {}", card.scale);
    let size = card.fixed_size().unwrap_or(Size::new(13.max(card.min_side), 9.max(card.min_side)));
    if size.area() > 1 << 14 || generator.working_bytes(size) > 64 << 20 {
        return;
    }
    let Ok(mut plan) = generator.plan(size) else { return };
    let planes = card.colour.planes();
    let input: Vec<f32> = (0..size.area() * planes).map(|n| (n % 17) as f32 / 16.0).collect();
    let mut output = vec![0.0; input.len() * card.scale * card.scale];
    let _ = plan.run(&input, &mut output);
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
