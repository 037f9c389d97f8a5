//! Whole networks against numpy, weight by weight: that the right things are joined in the right order.

use super::tiny;
use crate::host::graph::{Graph, Mode, Table, Weights};
use crate::host::papers::{discriminator, generator};
use crate::host::random::Random;
use candle_core::{Device, Tensor};

/// Evenly spread numbers from −1 to 1 that belong to a name.
fn spread(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash: usize = name.bytes().enumerate().map(|(k, byte)| usize::from(byte) * (k + 1)).sum();
    let start = hash as f64 * 0.414_213_562_373_095_1;
    (0..count).map(move |n| (n as f64 * 0.618_033_988_749_894_9 + start) % 1.0 * 2.0 - 1.0)
}

fn table(graph: &Graph, weights: &Weights) -> Table {
    let mut table = weights.table().unwrap();
    for parameter in graph.parameters() {
        let (name, shape) = (parameter.name.as_str(), &parameter.shape);
        let (base, span) = if shape.len() > 1 {
            (0.0, (4.0 / shape[1..].iter().product::<usize>() as f64).sqrt())
        } else if name.starts_with("mean") {
            (0.3, 0.1)
        } else if name.contains("prelu") {
            (0.25, 0.1)
        } else if name.ends_with("weight") || name.ends_with("var") {
            (1.0, 0.2)
        } else {
            (0.0, 0.1)
        };
        for (value, u) in table.get_mut(name).into_iter().flatten().zip(spread(name, shape.iter().product())) {
            *value = (base + span * u) as f32;
        }
    }
    table
}

/// For each output of `graph` four of its samples and the mean of their magnitudes.
fn seen(graph: &Graph, height: usize, width: usize) -> Vec<[f32; 5]> {
    let mut weights = Weights::new(graph, &mut Random::new(1), &Device::Cpu).unwrap();
    let table = table(graph, &weights);
    weights.fill(&table).unwrap();
    let shape = (1, graph.inputs(), height, width);
    let photo = (0..graph.inputs() * height * width).map(|n| (n as f64 * 0.754_877_666_246_692_7 % 1.0) as f32);
    let x = Tensor::from_vec(photo.collect(), shape, &Device::Cpu).unwrap();
    let made = graph.run(&weights.frozen(), &x, Mode::Judging).unwrap().values;
    let show = |y: &Tensor| {
        let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
        let n = y.len();
        [y[0], y[n / 3], y[n / 2], y[n - 1], y.iter().map(|value| value.abs()).sum::<f32>() / n as f32]
    };
    made.iter().map(show).collect()
}

fn hold(name: &str, seen: &[f32; 5], expected: &[f32; 5]) {
    let far = seen.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 5e-5, "{name}: {seen:?} {expected:?}");
}

/// The papers' equations in numpy, with weights by the authors' names:
/// ```python
/// import numpy as np
/// def u(name, n):
///     h = sum(c * (k + 1) for k, c in enumerate(name.encode()))
///     return (np.arange(n) * 0.6180339887498949 + h * 0.4142135623730951) % 1 * 2 - 1
/// def w(name, *shape):
///     v = u(name, int(np.prod(shape))).reshape(shape)
///     if len(shape) > 1: return v * np.sqrt(4 / np.prod(shape[1:]))
///     if name.startswith('mean'): return .3 + .1 * v
///     if 'prelu' in name: return .25 + .1 * v
///     return 1 + .2 * v if name.endswith(('weight', 'var')) else .1 * v
/// def by(x, W, b, s=1):
///     k, p = W.shape[-1], (W.shape[-1] - 1) // 2
///     cut = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (p, p), (p, p))), (k, k), (1, 2))[:, ::s, ::s]
///     y = np.einsum('cyxij,cij->cyx', cut, W[:, 0]) if W.shape[1] < len(x) else np.einsum('cyxij,ocij->oyx', cut, W)
///     return y + b[:, None, None]
/// def conv(x, name, o, k=3, b=1, s=1, g=0):
///     return by(x, w(name + '.weight', o, 1 if g else len(x), k, k), b * w(name + '.bias', o), s)
/// def relu(x): return np.maximum(x, 0)
/// def leaky(x): return np.where(x > 0, x, .2 * x)
/// def prelu(x, name): return np.where(x > 0, x, w(name + '.weight', len(x))[:, None, None] * x)
/// def bn(x, name):
///     g, b, m, v = (w(f'{name}.{s}', len(x))[:, None, None] for s in ('weight', 'bias', 'running_mean', 'running_var'))
///     return (x - m) / np.sqrt(v + 1e-5) * g + b
/// def near(x, r): return x.repeat(r, 1).repeat(r, 2)
/// def shuffle(x, r):
///     c, h, v = x.shape
///     return x.reshape(c // r**2, r, r, h, v).transpose(0, 3, 1, 4, 2).reshape(c // r**2, h * r, v * r)
/// def line(n, r, f, reach):                     # n samples to n·r by the kernel f, edges repeated
///     m = np.zeros((n * r, n))
///     for i in range(n * r):
///         at = (i + .5) / r - .5
///         for t in range(int(np.floor(at)) + 1 - reach, int(np.floor(at)) + 1 + reach):
///             m[i, min(max(t, 0), n - 1)] += f(abs(t - at))
///     return m
/// def keys(d): return 1.5 * d**3 - 2.5 * d**2 + 1 if d < 1 else -.5 * d**3 + 2.5 * d**2 - 4 * d + 2
/// def bicubic(x, r): return line(x.shape[1], r, keys, 2) @ x @ line(x.shape[2], r, keys, 2).T
/// def bilinear(x, r): return line(x.shape[1], r, lambda d: 1 - d, 1) @ x @ line(x.shape[2], r, lambda d: 1 - d, 1).T
/// MEAN = np.array([.4488, .4371, .4040])[:, None, None]
///
/// def srcnn(x, r): return conv(relu(conv(relu(conv(bicubic(x, r), 'conv1', 4, 9)), 'conv2', 2, 3)), 'conv3', 1, 5)
/// def espcn(x, r): return shuffle(conv(np.tanh(conv(np.tanh(conv(x, 'conv1', 4, 5)), 'conv2', 2)), 'conv3', r * r), r)
/// def vdsr(x, r):
///     y = base = bicubic(x, r)
///     for n in range(3): y = relu(conv(y, f'layer.{n}', 4))
///     return base + conv(y, 'layer.3', 1)
/// def drcn(x, r):
///     base, out = bicubic(x, r), 0
///     h = relu(conv(relu(conv(base, 'embedding.0', 4)), 'embedding.1', 4))
///     for d in 1, 2, 3:
///         h = relu(conv(h, 'inference', 4))
///         out = out + w(f'mean.{d}', 1) * (base + conv(relu(conv(h, 'reconstruction.0', 4)), 'reconstruction.1', 1))
///     return out
/// def srresnet(x, r):
///     x = first = prelu(conv(x, 'head.conv', 4, 9), 'head.prelu')
///     y = prelu(bn(conv(x, 'body.0.conv1', 4, b=0), 'body.0.bn1'), 'body.0.prelu')
///     x = x + bn(conv(y, 'body.0.conv2', 4, b=0), 'body.0.bn2')
///     x = first + bn(conv(x, 'tail.conv', 4, b=0), 'tail.bn')
///     for n in 0, 1: x = prelu(shuffle(conv(x, f'upsample.{n}.conv', 16), 2), f'upsample.{n}.prelu')
///     return conv(x, 'out.conv', 3, 9) / 2 + .5
/// def enhancenet(x, r):
///     y = relu(conv(x, 'first', 4))
///     y = y + conv(relu(conv(y, 'body.0.conv1', 4)), 'body.0.conv2', 4)
///     for n in 0, 1: y = relu(conv(near(y, 2), f'upsample.{n}', 4))
///     return bicubic(x, 4) + conv(relu(conv(y, 'large', 4)), 'last', 3)
/// def block(x, name, c, k=3, s=1): return x + s * conv(relu(conv(x, name + '.body.0', c, k)), name + '.body.2', c, k)
/// def up(x, name, r):
///     for n, s in enumerate((2, 2) if r == 4 else (r,)): x = shuffle(conv(x, f'{name}.{2 * n}', len(x) * s * s), s)
///     return x
/// def edsr(x, r, c=4, s=1):
///     first = conv(x - MEAN, 'head.0', c)
///     y = first + conv(block(block(first, 'body.0', c, s=s), 'body.1', c, s=s), 'body.2', c)
///     return conv(up(y, 'tail.0', r), 'tail.1', 3) + MEAN
/// def mdsr(x, r):
///     n = r - 2
///     y = block(block(conv(x - MEAN, 'head.0', 4), f'pre_process.{n}.0', 4, 5), f'pre_process.{n}.1', 4, 5)
///     return conv(up(y + conv(block(y, 'body.0', 4), 'body.1', 4), f'upsample.{n}', r), 'tail.0', 3) + MEAN
/// def rcan(x, r, c=32):
///     y = first = conv(x - MEAN, 'head.0', c)
///     for g, count in enumerate((20, 1)):
///         start = y
///         for b in range(count):
///             n = f'body.{g}.body.{b}.body.'
///             z = conv(relu(conv(y, n + '0', c)), n + '2', c)
///             gate = conv(relu(conv(z.mean((1, 2), keepdims=True), n + '3.conv_du.0', 2, 1)), n + '3.conv_du.2', c, 1)
///             y = y + z / (1 + np.exp(-gate))
///         y = start + conv(y, f'body.{g}.body.{count}', c)
///     return conv(up(first + conv(y, 'body.2', c), 'tail.0', r), 'tail.1', 3) + MEAN
/// def esrgan(x, r):
///     x = first = conv(x, 'conv_first', 4)
///     y = x
///     for d in 1, 2, 3:
///         n, z = f'RRDB_trunk.0.RDB{d}.conv', y
///         for k in 1, 2, 3, 4: z = np.concatenate([z, leaky(conv(z, n + str(k), 2))])
///         y = y + .2 * conv(z, n + '5', 4)
///     x = first + conv(x + .2 * y, 'trunk_conv', 4)
///     for n in range({2: 1, 3: 1, 4: 2}[r]): x = leaky(conv(near(x, 3 if r == 3 else 2), f'upconv{n + 1}', 4))
///     return conv(leaky(conv(x, 'HRconv', 4)), 'conv_last', 3)
/// def separable(x, r):
///     y = relu(conv(x, 'layer.0', 4))
///     for n in 1, 2: y = relu(conv(relu(conv(y, f'layer.{n}.depth', 4, g=1)), f'layer.{n}.point', 4, 1))
///     return bilinear(x, r) + shuffle(conv(y, 'layer.3', r * r), r)
/// def vgg128(x, _):
///     for level, o in enumerate((2, 4, 8, 16, 16)):
///         x = conv(x, f'conv{level}_0', o, b=level == 0)
///         x = leaky(bn(x, f'bn{level}_0') if level else x)
///         x = leaky(bn(conv(x, f'conv{level}_1', o, 4, 0, 2), f'bn{level}_1'))
///     x = leaky(w('linear1.weight', 100, x.size) @ x.ravel() + w('linear1.bias', 100))
///     return w('linear2.weight', 1, 100) @ x + w('linear2.bias', 1)
/// def dense(x, name, o): return w(name + '.weight', o, x.size) @ x.ravel() + w(name + '.bias', o)
/// def srgan(x, _):
///     for n, o in enumerate((4, 4, 8, 8, 16, 16, 32, 32)):
///         x = conv(x, f'conv.{n}', o, b=n == 0, s=1 + n % 2)
///         x = leaky(bn(x, f'bn.{n}') if n else x)
///     return dense(leaky(dense(x, 'dense.0', 64)), 'dense.1', 1)
/// def enhanced(x, _):
///     for n in range(5):
///         for s in 1, 2: x = leaky(conv(x, f'conv.{n}.{s - 1}', 2 << n, s=s))
///     return dense(leaky(dense(x, 'dense.0', 64)), 'dense.1', 1)
/// def show(name, y): print(name, np.round([*y.ravel()[[0, y.size // 3, y.size // 2, -1]], np.abs(y).mean()], 5).tolist())
/// def photo(c, h, v): return np.arange(c * h * v).reshape(c, h, v) * 0.7548776662466927 % 1
/// for f, c, r in ((srcnn, 1, 2), (espcn, 1, 3), (vdsr, 1, 2), (drcn, 1, 2), (separable, 1, 3), (srresnet, 3, 4), (enhancenet, 3, 4),
///                 (edsr, 3, 4), (mdsr, 3, 2), (mdsr, 3, 3), (mdsr, 3, 4), (rcan, 3, 3), (esrgan, 3, 2), (esrgan, 3, 3), (esrgan, 3, 4)):
///     show(f'{f.__name__} x{r}', f(photo(c, 4, 5), r))
/// show('edsr, wide x2', edsr(photo(3, 4, 5), 2, 128, .1))
/// show('vgg128', vgg128(photo(3, 64, 64), 0))
/// show('srgan', srgan(photo(3, 24, 24), 0))
/// show('enhanced', enhanced(photo(3, 32, 32), 0))
/// ```
#[test]
fn networks_equal_numpy() {
    let choices = [
        (tiny("srcnn", 2, 4, 3), vec![SRCNN]),
        (tiny("espcn", 3, 4, 1), vec![ESPCN]),
        (tiny("vdsr", 2, 4, 2), vec![VDSR]),
        (tiny("drcn", 2, 4, 3), vec![DRCN]),
        (tiny("separable", 3, 4, 2), vec![SEPARABLE]),
        (tiny("srresnet", 4, 4, 1), vec![SRRESNET]),
        (tiny("enhancenet", 4, 4, 1), vec![ENHANCENET]),
        (tiny("edsr", 4, 4, 2), vec![EDSR]),
        (tiny("edsr", 2, 128, 2), vec![EDSR_WIDE]),
        (tiny("mdsr", 4, 4, 1), MDSR.to_vec()),
        (tiny("rcan", 3, 32, 21), vec![RCAN]),
        (tiny("esrgan", 2, 4, 1), vec![ESRGAN[0]]),
        (tiny("esrgan", 3, 4, 1), vec![ESRGAN[1]]),
        (tiny("esrgan", 4, 4, 1), vec![ESRGAN[2]]),
    ];
    for (choice, expected) in choices {
        let graph = generator(&choice).unwrap().graph;
        let seen = seen(&graph, 4, 5);
        assert_eq!(seen.len(), expected.len());
        seen.iter().zip(&expected).for_each(|(seen, expected)| hold(&choice.name, seen, expected));
    }
    for (name, channels, crop, expected) in
        [("vgg128", 2, 64, VGG128), ("srgan", 4, 24, SRGAN), ("enhancenet", 2, 32, ENHANCED)]
    {
        hold(name, &seen(&discriminator(name, channels, crop).unwrap(), crop, crop)[0], &expected);
    }
}

const SRCNN: [f32; 5] = [-0.10189, -0.15019, -0.12001, -0.06455, 0.07425];
const ESPCN: [f32; 5] = [0.28195, -0.59365, -0.59336, 0.16355, 0.34159];
const VDSR: [f32; 5] = [-0.16182, 0.04141, 0.79756, 0.27222, 0.40332];
const DRCN: [f32; 5] = [-0.19243, -0.04381, 0.50301, 0.22063, 0.30744];
const SEPARABLE: [f32; 5] = [-0.08371, 0.72956, 0.55168, 0.26589, 0.42166];
const SRRESNET: [f32; 5] = [0.52603, 0.55354, 0.55462, 0.49501, 0.51475];
const ENHANCENET: [f32; 5] = [-0.1423, -0.06988, 0.80807, 0.61738, 0.48319];
const EDSR: [f32; 5] = [0.24225, 0.61241, 0.75972, 0.45555, 0.43192];
const EDSR_WIDE: [f32; 5] = [0.42436, 0.51584, 0.54344, 0.44813, 0.42696];
const MDSR: [[f32; 5]; 3] = [
    [0.37587, 0.36588, 0.22981, 0.47846, 0.57275],
    [0.47079, 0.82542, 0.07971, 0.53174, 0.64397],
    [0.44802, 0.27804, 0.36562, 0.59635, 0.48953],
];
const RCAN: [f32; 5] = [0.3536, 0.46611, 0.35579, 0.1389, 0.46436];
const ESRGAN: [[f32; 5]; 3] = [
    [-0.15768, 0.14894, 0.34371, -0.06247, 0.14871],
    [-0.22101, 0.0126, 0.22707, 0.01865, 0.12336],
    [-0.11657, 0.11847, 0.21089, -0.02402, 0.12241],
];
const VGG128: [f32; 5] = [0.10275, 0.10275, 0.10275, 0.10275, 0.10275];
const SRGAN: [f32; 5] = [-0.06488, -0.06488, -0.06488, -0.06488, 0.06488];
const ENHANCED: [f32; 5] = [0.00766, 0.00766, 0.00766, 0.00766, 0.00766];
