//! The papers' networks against the papers: their sizes, their work, and that they train, export and run.

#![allow(clippy::unwrap_used)]

mod learning;
mod reference;

use super::testing::{exports_as_it_trains, exports_at};
use super::*;
use crate::card::Tiling;
use crate::geometry::Size;
use crate::session::TractGenerator;
use crate::upscale::Generator as _;

/// A network in small.
fn tiny(name: &str, scale: usize, channels: usize, blocks: usize) -> Choice {
    Choice { scale: Some(scale), channels: Some(channels), blocks: Some(blocks), ..Choice::named(name) }
}

fn large_edsr() -> Choice {
    tiny("edsr", 4, 256, 32)
}

/// Counted without the networks' builders; the right-hand columns are products for one low-resolution pixel, and for an output
/// of 1280 × 720:
/// ```python
/// def c(i, o, k=3, b=1, at=1, taps=None):        # (weights, biases, products for one low-resolution pixel)
///     w = (i if taps is None else taps) * o * k * k
///     return w, b * o, w * at
/// def add(*parts): return tuple(map(sum, zip(*parts)))
/// def times(n, part): return tuple(n * x for x in part)
/// def up(n): return add(c(n, 4 * n), c(n, 4 * n, at=4))
/// nets = {}
/// nets['edge'] = add(c(1, 32), times(10, c(32, 32)), c(32, 16))
/// nets['separable'] = add(c(1, 32), times(10, add(c(32, 32, taps=1), c(32, 32, 1))), c(32, 16))
/// for k in 1, 3, 5: nets[f'srcnn {k}'] = add(c(1, 64, 9, at=16), c(64, 32, k, at=16), c(32, 1, 5, at=16))
/// nets['espcn'] = add(c(1, 64, 5), c(64, 32), c(32, 16))
/// nets['vdsr'] = add(c(1, 64, at=16), times(18, c(64, 64, at=16)), c(64, 1, at=16))
/// w, b, _ = add(c(1, 256), c(256, 256), c(256, 256), c(256, 256), c(256, 1))
/// nets['drcn'] = w + 16, b, 16 * (9 * 256 + 9 * 256**2 + 16 * (9 * 256**2 + 9 * 256**2 + 9 * 256))
/// bn = (64, 64, 0); slope = (64, 0, 0)
/// nets['srresnet'] = add(c(3, 64, 9), slope, times(16, add(times(2, add(c(64, 64, b=0), bn)), slope)), c(64, 64, b=0), bn,
///                        up(64), slope, slope, c(64, 3, 9, at=16))
/// block = times(2, c(64, 64))
/// nets['enhancenet'] = add(c(3, 64), times(10, block), c(64, 64, at=4), c(64, 64, at=16), c(64, 64, at=16), c(64, 3, at=16))
/// nets['edsr'] = add(c(3, 64), times(16, block), c(64, 64), up(64), c(64, 3, at=16))
/// nets['edsr 256 32'] = add(c(3, 256), times(65, c(256, 256)), up(256), c(256, 3, at=16))
/// pre = times(4, c(64, 64, 5))
/// nets['mdsr x4'] = add(c(3, 64), pre, times(80, block), c(64, 64), up(64), c(64, 3, at=16))
/// nets['mdsr all'] = add(nets['mdsr x4'], times(2, pre), c(64, 4 * 64), c(64, 9 * 64))
/// attention = c(64, 4, 1, at=0)[:2] + (0,), c(4, 64, 1, at=0)[:2] + (0,)
/// nets['rcan'] = add(c(3, 64), times(10, add(times(20, add(block, *attention)), c(64, 64))), c(64, 64), up(64), c(64, 3, at=16))
/// dense = add(*(c(64 + 32 * n, 32) for n in range(4)), c(192, 64))
/// nets['esrgan'] = add(c(3, 64), times(69, dense), c(64, 64), c(64, 64, at=4), times(2, c(64, 64, at=16)), c(64, 3, at=16))
/// for name, (w, b, m) in nets.items():
///     print(f'{name:12} {w:>10} + {b:>6} = {w + b:>10}   {m:>12}   {m * 57600 / 1e9:9.2f} G')
/// d = add(c(3, 64), c(64, 64, 4, 0), (64, 64, 0), *(add(c(i, o, b=0), c(o, o, 4, 0), times(2, (o, o, 0)))
///     for i, o in ((64, 128), (128, 256), (256, 512), (512, 512))), (512 * 16 * 100, 100, 0), (100, 1, 0))
/// print('vgg128', d[0] + d[1])
/// n = [64, 64, 128, 128, 256, 256, 512, 512]
/// d = c(3, 64)[:2] + (0,), *(add(c(i, o, b=0), (2 * o, 0, 0)) for i, o in zip(n, n[1:])), c(512 * 36, 1024, 1), c(1024, 1, 1)
/// print('srgan', sum(add(*d)[:2]))
/// n = [32, 32, 64, 64, 128, 128, 256, 256, 512, 512]
/// d = *(c(i, o) for i, o in zip([3] + n, n)), c(512 * 16, 1024, 1), c(1024, 1, 1)
/// print('enhancenet', sum(add(*d)[:2]))
/// ```
/// `edsr` is 1.5 M and 43 M in Lim 2017's table 1 and 1,517,571 and 43,089,923 in the authors' code, `mdsr` 8.0 M there; `rcan`
/// 15,592,379 in the authors' code, with the 24 numbers of the mean colour; `esrgan` 16,697,987 in the authors' logs; `srcnn`
/// 8,032, 24,416 and 57,184 without biases in Dong 2016, section 4.3; `vdsr` 664,704 and `drcn` 1,774,080 without biases.
const TRAINED: [(&str, u64); 13] = [
    ("edge", 97_424),
    ("separable", 18_704),
    ("srcnn", 57_184 + 97),
    ("espcn", 24_752),
    ("vdsr", 664_704 + 1_217),
    ("drcn", 1_774_080 + 1_025 + 16),
    ("srresnet", 1_548_547),
    ("enhancenet", 852_867),
    ("edsr", 1_517_571),
    ("mdsr", 7_953_987),
    ("rcan", 15_592_379 - 24),
    ("esrgan", 16_697_987),
    ("large edsr", 43_089_923),
];

#[test]
fn networks_are_as_large_as_the_papers_say() {
    let trained = |choice: &Choice| generator(choice).unwrap().graph.trained();
    for (name, count) in TRAINED {
        let choice = if name == "large edsr" { large_edsr() } else { Choice::named(name) };
        assert_eq!(trained(&choice), count, "{name}");
    }
    assert!(names().all(|(name, _)| TRAINED.iter().any(|(known, _)| *known == name)));
    assert_eq!(trained(&tiny("srcnn", 4, 64, 1)), 8_032 + 97);
    assert_eq!(trained(&tiny("srcnn", 4, 64, 3)), 24_416 + 97);
    // The authors' logs of Discriminator_VGG_128.
    assert_eq!(discriminator("vgg128", 64, 128).unwrap().trained(), 14_499_401);
    assert_eq!(discriminator("srgan", 64, 96).unwrap().trained(), 23_563_649);
    assert_eq!(discriminator("enhancenet", 32, 128).unwrap().trained(), 13_102_881);
}

/// Our products for one low-resolution pixel without the base picture, the mean colour and the attention; what surveys count beside
/// them; and the giga-products for 1280 × 720 that they quote.
///
/// Four are counted otherwise there. SRResNet's 146 G are those of a later variant without normalisation that takes EDSR's
/// blocks and has a further convolution at the output's resolution in place of the one behind the blocks: EDSR's 1,983,168 +
/// 16 · 36,864 − 36,864. RCAN's 918 G have a sum for each sample that the attention averages in them: 200 · 64 more. RRDB's
/// 1034 G have the biases and the LeakyReLUs: 15,728 + 11,136 more. EnhanceNet's 122 G are quoted from memory: with biases and ReLUs
/// it is 121 G.
const PRODUCTS: [(f64, f64, f64); 10] = [
    (914_944.0, 0.0, 52.7),
    (24_640.0, 0.0, 1.4),
    (10_635_264.0, 0.0, 613.0),
    (312_053_760.0, 0.0, 17_974.0),
    (2_218_176.0, 1_983_168.0 + 589_824.0 - 36_864.0 - 2_218_176.0, 146.0),
    (1_983_168.0, 0.0, 114.0),
    (50_252_544.0, 0.0, 2_895.0),
    (15_917_760.0, 12_800.0, 918.0),
    (17_926_848.0, 15_728.0 + 11_136.0, 1_034.0),
    (2_093_760.0, 3_696.0 + 3_008.0, 121.0),
];

/// Holds `counted` products of the network `name`, which should be `products`, to what surveys quote of it.
fn as_quoted(name: &str, counted: f64, products: f64) {
    for (_, beside, quoted) in PRODUCTS.iter().filter(|(ours, ..)| (ours - products).abs() < 0.5) {
        let giga = (counted + beside) * 320.0 * 180.0 / 1e9;
        // As far as the figure is rounded.
        let step = if *quoted < 100.0 { 0.1 } else { 1.0 };
        assert!((giga - quoted).abs() <= 0.5 * step, "{name}: {giga} {quoted}");
    }
}

/// What runs a network on the device: the engine alone, or so many islands of it inside tract.
#[derive(Debug, PartialEq)]
enum Runs {
    Whole,
    Islands(usize),
}

/// The file of the paper's own network gives what candle gives, and the device reads from it `products` and `fixed`
/// multiply-adds for one pixel, `fixed` those of the base picture, the mean colour and the attention.
fn full(choice: &Choice, size: Size, (products, fixed): (f64, f64), runs: Runs) -> TractGenerator {
    let opened = exports_at(choice, size).pop().unwrap();
    let (card, name) = (opened.card(), &choice.name);
    assert!((card.mac_per_pixel - products - fixed).abs() < 1.0, "{name}: {} {products} + {fixed}", card.mac_per_pixel);
    as_quoted(name, card.mac_per_pixel - fixed, products);
    let islands = opened.recognised().islands.len();
    let found = if opened.is_whole() { Runs::Whole } else { Runs::Islands(islands) };
    assert_eq!(found, runs, "{name}: {:?}", opened.recognised().left);
    opened
}

/// Bicubic enlargement of luma and of RGB by dense 5 × 5 kernels, and the mean colour off and on by dense 1 × 1 ones.
const LUMA_BASE: f64 = 400.0;
const RGB_BASE: f64 = 3_600.0;
const MEAN: f64 = 9.0 + 16.0 * 9.0;

#[test]
fn small_papers_run_as_they_train() {
    let size = Size::new(13, 11);
    full(&Choice::named("edge"), size, (97_056.0, 144.0), Runs::Whole);
    full(&Choice::named("separable"), size, (18_016.0, 144.0), Runs::Whole);
    full(&Choice::named("srcnn"), size, (914_944.0, LUMA_BASE), Runs::Whole);
    full(&tiny("srcnn", 4, 64, 1), size, (128_512.0, LUMA_BASE), Runs::Whole);
    full(&Choice::named("espcn"), size, (24_640.0, 0.0), Runs::Islands(3));
    full(&Choice::named("vdsr"), size, (10_635_264.0, LUMA_BASE), Runs::Whole);
    full(&Choice::named("srresnet"), size, (2_218_176.0, 0.0), Runs::Whole);
    full(&Choice::named("enhancenet"), size, (2_093_760.0, RGB_BASE), Runs::Whole);
    full(&Choice::named("edsr"), size, (1_983_168.0, MEAN), Runs::Whole);
}

#[test]
fn deep_papers_run_as_they_train() {
    let size = Size::new(7, 5);
    full(&Choice::named("mdsr"), size, (7_111_360.0, MEAN), Runs::Whole);
    full(&Choice::named("esrgan"), size, (17_926_848.0, 0.0), Runs::Whole);
    full(&Choice::named("drcn"), Size::new(4, 3), (312_053_760.0, LUMA_BASE), Runs::Whole);
    full(&large_edsr(), Size::new(4, 3), (50_252_544.0, MEAN), Runs::Whole);
}

/// The attention's products are made once for a picture, here of 384 × 192 pixels.
#[test]
fn channel_attention_runs_as_it_trains_and_is_not_cut_into_tiles() {
    let attention = 200.0 * 512.0 / (384.0 * 192.0);
    let opened = full(&Choice::named("rcan"), Size::new(7, 5), (15_917_760.0, MEAN + attention), Runs::Islands(201));
    assert!(matches!(&opened.card().tiling, Tiling::Whole(reason) if reason.contains("whole picture")));
}

#[test]
fn small_variants_run_as_they_train_and_all_but_attention_is_cut_into_tiles() {
    for (name, _) in names().filter(|(name, _)| *name != "edge") {
        for scale in 2..=4 {
            let blocks = if name == "srcnn" { 3 } else { 2 };
            let opened = exports_as_it_trains(&tiny(name, scale, 6, blocks));
            assert_eq!(opened.len(), if name == "mdsr" { 3 } else { 1 });
            for generator in opened {
                let tiles = matches!(generator.card().tiling, Tiling::Halo(_));
                assert_eq!(tiles, name != "rcan", "{name} x{scale}");
            }
        }
        // One channel, and the other colour.
        let other = match generator(&Choice::named(name)).unwrap().colour {
            Colour::Luma => Colour::Rgb,
            Colour::Rgb => Colour::Luma,
        };
        exports_as_it_trains(&Choice { colour: Some(other), ..tiny(name, 2, 1, 1) });
    }
}

#[test]
fn what_a_network_cannot_be_is_said() {
    let message = |choice: &Choice| generator(choice).unwrap_err().to_string();
    assert!(message(&Choice::named("fsrcnn")).contains("no network 'fsrcnn'"));
    assert!(message(&tiny("srcnn", 4, 64, 2)).contains("cannot have that many blocks"));
    assert!(message(&tiny("edsr", 5, 64, 2)).contains("scale"));
    let crop = discriminator("vgg128", 64, 100).unwrap_err().to_string();
    assert!(crop.contains("crops of 100 pixels"), "{crop}");
    let giant = Choice { channels: Some(1024), blocks: Some(256), ..Choice::named("esrgan") };
    assert!(message(&giant).contains("are allowed (choose fewer channels"));
    assert!(discriminator("srgan", 512, 1024).unwrap_err().to_string().contains("are allowed"));
    assert!(discriminator("vgg", 64, 128).unwrap_err().to_string().contains("no discriminator 'vgg'"));
    let mdsr = generator(&Choice::named("mdsr")).unwrap();
    assert_eq!(mdsr.heads.iter().map(|head| head.scale).collect::<Vec<_>>(), [2, 3, 4]);
}

/// The authors' names of ESRGAN's weights.
#[test]
fn weights_have_the_authors_names() {
    let graph = generator(&Choice::named("esrgan")).unwrap().graph;
    let names: Vec<&str> = graph.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    let known = [
        "conv_first.weight",
        "RRDB_trunk.0.RDB1.conv1.weight",
        "RRDB_trunk.22.RDB3.conv5.bias",
        "trunk_conv.weight",
        "upconv1.weight",
        "upconv2.bias",
        "HRconv.weight",
        "conv_last.bias",
    ];
    assert!(known.iter().all(|name| names.contains(name)));
    assert_eq!(names.len(), 2 * (1 + 23 * 15 + 5));
}
