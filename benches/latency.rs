//! Latency of a frame, for every generator at hand: `cargo bench --bench latency`.
//!
//! Prints one line a generator and size: median, fastest and slowest of the timed frames, low-resolution planes in to
//! high-resolution planes out. Figures of two runs may only be compared when the runs alternate; see `benches/README.md`.

use std::sync::Arc;
use std::time::Instant;
use upres::error::Result;
use upres::frame::Plane;
use upres::geometry::Size;
use upres::upscale::{Generator, PlaneUpscaler, TileOptions};
use upres::zoo::Zoo;

const SIZES: [Size; 4] = [Size::new(64, 64), Size::new(128, 128), Size::new(320, 180), Size::new(480, 270)];
const WARM_UP: usize = 2;
const FRAMES: usize = 9;

fn main() -> Result<()> {
    let zoo = Zoo::new(None);
    println!("{:20} {:>9} {:>10} {:>10} {:>10}", "generator", "input", "median ms", "min ms", "max ms");
    for entry in zoo.list()? {
        for size in SIZES {
            let generator: Arc<dyn Generator> =
                Arc::new(zoo.open(&entry.card.name, &upres::session::Overrides::default())?);
            let times = frames(generator, size)?;
            let (median, min, max) = (times[FRAMES / 2], times[0], times[FRAMES - 1]);
            println!("{:20} {:>9} {median:10.2} {min:10.2} {max:10.2}", entry.card.name, size.to_string());
        }
    }
    Ok(())
}

/// Milliseconds of each timed frame on one thread, in order of size.
fn frames(generator: Arc<dyn Generator>, size: Size) -> Result<Vec<f64>> {
    let (scale, planes) = (generator.card().scale, generator.card().colour.planes());
    let target = size.checked_scale(scale)?;
    let mut upscaler = PlaneUpscaler::new(generator, size, target, &TileOptions { side: None, threads: 1 })?;
    let texture = |x: usize, y: usize| ((x * 7919 + y * 104_729) % 256) as f32 / 255.0;
    let input = vec![Plane::from_fn(size, texture); planes];
    let mut output = vec![Plane::new(target); planes];
    let mut times = Vec::with_capacity(FRAMES);
    for frame in 0..WARM_UP + FRAMES {
        let begin = Instant::now();
        upscaler.run(&input, &mut output)?;
        if frame >= WARM_UP {
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
