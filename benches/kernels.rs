//! The engine's kernels alone, on rows that lie in the cache: `cargo bench --bench kernels`.
//!
//! Throughput is counted in multiply-adds of the plain convolution, so that Winograd's shows what it saves.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use upres::kernel::Level;
use upres::kernel::aligned::Aligned;
use upres::kernel::stream::{
    Activation, BLOCK, ByteFilter, ByteKernel, Direct, Filter, Row, TILE, Task, TileTask, Winograd,
};

/// Pixels of a row.
const WIDTH: usize = 320;
/// Channels in and out.
const SHAPES: [(usize, usize); 5] = [(3, 16), (16, 16), (32, 32), (64, 64), (16, 48)];

/// Rows of `channels` channels with a border, from `start`.
fn rows<const N: usize>(channels: usize, start: usize) -> ([Row; N], usize) {
    let block = ((WIDTH + 8) | 1) * BLOCK;
    let stride = block * channels.div_ceil(BLOCK);
    let rows = std::array::from_fn(|r| Row { start: start + r * stride + 2 * BLOCK, block, pixel: BLOCK });
    (rows, start + N * stride)
}

fn filter(inputs: usize, outputs: usize) -> Filter {
    Filter {
        side: 3,
        sources: vec![inputs],
        outputs,
        weights: (0..outputs * inputs * 9).map(|i| (i % 13) as f32 * 0.01 - 0.06).collect(),
        bias: vec![0.1; outputs],
        activation: Activation::Rectify,
        add_first: false,
    }
}

fn byte_filter(inputs: usize, outputs: usize) -> ByteFilter {
    ByteFilter {
        side: 3,
        inputs,
        outputs,
        weights: (0..outputs * inputs * 9).map(|i| (i % 251) as i8).collect(),
        bias: vec![5; outputs],
        zero_in: 3,
        scale: vec![0.001; outputs],
        zero_out: 4,
        least: 4,
    }
}

fn kernels(criterion: &mut Criterion) {
    for level in Level::available().into_iter().skip(1) {
        for (inputs, outputs) in SHAPES {
            let (read, end) = rows::<{ TILE + 2 }>(inputs, 0);
            let (out, end) = rows::<TILE>(outputs, end);
            let (mut floats, mut bytes) = (Aligned::<f32>::zeros(end), Aligned::<u8>::zeros(end));
            floats.fill(0.5);
            bytes.fill(5);
            let mut group = criterion.benchmark_group(format!("{inputs} to {outputs}"));
            group.throughput(Throughput::Elements((TILE * WIDTH * inputs * outputs * 9) as u64));
            let direct = Direct::new(level, &filter(inputs, outputs), false);
            let byte = ByteKernel::new(level, &byte_filter(inputs, outputs));
            let task = |r: usize| Task { rows: &read[r..r + 3], add: None, out: out[r], width: WIDTH };
            group.bench_function(BenchmarkId::new("direct", level.name()), |bencher| {
                bencher.iter(|| (0..TILE).for_each(|r| direct.run(&mut floats, &task(r))));
            });
            group.bench_function(BenchmarkId::new("bytes", level.name()), |bencher| {
                bencher.iter(|| (0..TILE).for_each(|r| byte.run(&mut bytes, &task(r))));
            });
            if inputs >= 8 {
                let winograd = Winograd::new(level, &filter(inputs, outputs));
                let mut scratch = Aligned::zeros(winograd.scratch());
                let task = TileTask { rows: &read, add: None, out, skip: 0, end: TILE, width: WIDTH };
                group.bench_function(BenchmarkId::new("winograd", level.name()), |bencher| {
                    bencher.iter(|| winograd.run(&mut floats, &mut scratch, &task));
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600)).sample_size(20);
    targets = kernels
}
criterion_main!(benches);
