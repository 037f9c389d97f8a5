//! Latency of a frame by generator, size, threads and instructions: `cargo bench --bench latency`.
//!
//! Low-resolution planes in to high-resolution planes out, by the road that a video takes. `cargo bench --bench latency -- --save-baseline
//! before` and later `-- --baseline before` tell what has become slower beyond the noise of both runs; see `benches/README.md`.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;
use std::time::Duration;
use upres::frame::Plane;
use upres::geometry::Size;
use upres::kernel::Level;
use upres::session::{Overrides, Runner};
use upres::upscale::{Generator, PlaneUpscaler, TileOptions};
use upres::zoo::Zoo;

const SIZES: [Size; 4] = [Size::new(64, 64), Size::new(128, 128), Size::new(320, 180), Size::new(480, 270)];
/// The size at which threads and instructions are compared.
const CAMERA: Size = Size::new(320, 180);

/// One generator at one size, ready to run.
struct Bench {
    upscaler: PlaneUpscaler,
    input: Vec<Plane>,
    output: Vec<Plane>,
}

impl Bench {
    fn new(name: &str, overrides: &Overrides, size: Size, threads: usize) -> upres::error::Result<Self> {
        let generator: Arc<dyn Generator> = Arc::new(Zoo::new(None).open(name, overrides)?);
        let (scale, planes) = (generator.card().scale, generator.card().colour.planes());
        let target = size.checked_scale(scale)?;
        let upscaler = PlaneUpscaler::new(generator, size, target, &TileOptions { side: None, threads })?;
        let texture = |x: usize, y: usize| ((x * 7919 + y * 104_729) % 256) as f32 / 255.0;
        let input = vec![Plane::from_fn(size, texture); planes];
        Ok(Self { upscaler, input, output: vec![Plane::new(target); planes] })
    }

    fn frame(&mut self) {
        if let Err(error) = self.upscaler.run(&self.input, &mut self.output) {
            panic!("{error}");
        }
    }
}

/// Times one bench under `group/name/what`.
fn time(criterion: &mut Criterion, group: &str, name: &str, what: &str, made: upres::error::Result<Bench>) {
    let mut bench = match made {
        Ok(bench) => bench,
        Err(error) => panic!("{name}: {error}"),
    };
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(bench.upscaler.input().area() as u64));
    group.bench_function(BenchmarkId::new(name, what), |bencher| bencher.iter(|| bench.frame()));
    group.finish();
}

fn latency(criterion: &mut Criterion) {
    let plain = Overrides::default();
    let names: Vec<String> = match Zoo::new(None).list() {
        Ok(entries) => entries.into_iter().map(|entry| entry.card.name).collect(),
        Err(error) => panic!("{error}"),
    };
    for name in &names {
        for size in SIZES {
            time(criterion, "size", name, &size.to_string(), Bench::new(name, &plain, size, 1));
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for name in ["medium-x4", "medium-x4-int8"] {
        for threads in 1..=cores.min(4) {
            time(criterion, "threads", name, &threads.to_string(), Bench::new(name, &plain, CAMERA, threads));
        }
        // Scalar code is the definition, not something to run.
        for level in Level::available().into_iter().skip(1) {
            let only = Overrides { cpu: Some(level), ..Overrides::default() };
            time(criterion, "level", name, level.name(), Bench::new(name, &only, CAMERA, 1));
        }
        let tract = Overrides { runner: Runner::Tract, ..Overrides::default() };
        time(criterion, "level", name, "tract", Bench::new(name, &tract, CAMERA, 1));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = latency
}
criterion_main!(benches);
