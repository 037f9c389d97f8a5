//! Trunks against numpy, and files that are none.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::host::lpips::Lpips;
use crate::host::random::Random;
use std::path::PathBuf;

/// The folder of perceptual weights, or `None` with a plain word where it is not at hand.
fn weights() -> Option<PathBuf> {
    let data = std::env::var_os("UPRES_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let weights = data.join("weights");
    if !weights.is_dir() {
        assert!(std::env::var_os("UPRES_SKIP").is_none_or(|word| word != "never"), "no {}", weights.display());
        println!("skipped: no weights in {} (set UPRES_DATA)", data.display());
        return None;
    }
    Some(weights)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Values by numpy:
/// ```python
/// import json, struct, sys
/// import numpy as np
/// def load(path):
///     raw = open(path, 'rb').read(); n = struct.unpack('<Q', raw[:8])[0]; body = raw[8 + n:]
///     return {k: np.frombuffer(body[slice(*v['data_offsets'])], '<f4').reshape(v['shape']).astype(float)
///             for k, v in json.loads(raw[8:8 + n]).items() if k != '__metadata__'}
/// def conv(x, w, b, pad=0, stride=1, mode='reflect'):
///     k = w.shape[2]
///     if pad: x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)), mode=mode)
///     h, v = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
///     y = sum(np.einsum('oc,chw->ohw', w[:, :, i, j], x[:, i:i + stride * h:stride, j:j + stride * v:stride][:, :h, :v])
///             for i in range(k) for j in range(k))
///     return y + b[:, None, None]
/// relu = lambda x: np.maximum(x, 0)
/// pool = lambda x: x[:, :x.shape[1] // 2 * 2, :x.shape[2] // 2 * 2].reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))
/// x = (np.arange(3 * 24 * 20) * 37 % 256).reshape(3, 24, 20) / 255.
/// d = sys.argv[1]
/// p = load(d + '/vgg19_conv3_1_normalised.safetensors')
/// c = lambda x, n, pad=1: conv(x, p[n + '.weight'], p[n + '.bias'], pad)
/// y = c(x, '0', 0); y = relu(c(y, '2')); y = relu(c(y, '5')); y = pool(y); y = relu(c(y, '9')); r22 = c(y, '12'); y = pool(relu(r22)); y = relu(c(y, '16'))
/// f = lambda y: (list(y.shape), round(float(np.abs(y).mean()), 6), [round(float(v), 6) for v in y.ravel()[[0, y.size // 3, y.size // 2, y.size - 1]]])
/// print('conv2_2', f(r22)); print('relu3_1', f(y))
/// p = load(d + '/vgg19_distilled16x_conv5_1.safetensors')
/// c = lambda x, n, pad=1: conv(x, p[f'model.conv{n}.weight'], p[f'model.conv{n}.bias'], pad)
/// y = c(x, '0', 0)
/// for n in ['11', '12', 'p', '21', '22', 'p', '31', '32', '33', '34', 'p', '41']:
///     if n == 'p': y = pool(y)
///     else: y = relu(c(y, n))
/// print('relu4_1', f(y)); print('aux4_1', f(relu(c(y, '41_aux', 0))))
/// ```
#[test]
fn features_equal_numpy() {
    let Some(folder) = weights() else { return };
    let picture = (0..3 * 24 * 20).map(|n| (n * 37 % 256) as f32 / 255.0).collect::<Vec<_>>();
    let picture = Tensor::from_vec(picture, (1, 3, 24, 20), &Device::Cpu).unwrap();
    let conv3_1 = (Kind::Vgg19Conv31, "vgg19_conv3_1_normalised.safetensors");
    let distilled = (Kind::Vgg19Distilled, "vgg19_distilled16x_conv5_1.safetensors");
    for ((kind, file), tap, shape, mean, some) in [
        (conv3_1, "conv2_2", [128, 12, 10], 3.005_024, [21.014_236, 1.237_149, 5.754_05, -2.074_66]),
        (conv3_1, "relu3_1", [256, 6, 5], 1.465_109, [0.593_308, 0.0, 5.007_581, 2.512_782]),
        (distilled, "relu4_1", [128, 3, 2], 1.776_267, [3.885_154, 0.0, 1.139_253, 0.0]),
        (distilled, "aux4_1", [512, 3, 2], 1.091_997, [0.926_846, 0.0, 1.657_188, 3.871_239]),
    ] {
        let trunk = Trunk::open(kind, &folder.join(file), &Device::Cpu).unwrap();
        let features = trunk.features(&picture, &[trunk.tap(tap).unwrap()]).unwrap();
        assert_eq!(features[0].dims()[1..], shape, "{tap}");
        let features = values(&features[0]);
        let size = features.len();
        let got = features.iter().map(|v| v.abs()).sum::<f32>() / size as f32;
        assert!((got - mean).abs() < 1e-4 * mean, "{tap}: {got} {mean}");
        for (at, want) in [0, size / 3, size / 2, size - 1].into_iter().zip(some) {
            assert!((features[at] - want).abs() < 2e-3, "{tap}[{at}]: {} {want}", features[at]);
        }
    }
}

/// The pair that the authors of LPIPS publish with their code, and its distances by it.
#[test]
fn lpips_of_the_published_pair() {
    let Some(folder) = weights() else { return };
    let lpips = Lpips::open(&folder, &Device::Cpu).unwrap();
    let pair = folder.parent().unwrap().join("lpips_pair");
    let picture = |name: &str| {
        let mut source = crate::codec::open(&pair.join(name), &crate::codec::Limits::default()).unwrap();
        crate::evaluate::Picture::gather(&mut *source).unwrap()
    };
    let original = picture("ex_ref.png");
    for (name, distance) in [("ex_p0.png", 0.7111), ("ex_p1.png", 0.1479)] {
        let got = lpips.between(&picture(name), &original).unwrap();
        assert!((got - distance).abs() < 1e-4, "{name}: {got}");
    }
    assert!(lpips.between(&original, &original).unwrap().abs() < 1e-9);
}

#[test]
fn the_gradient_reaches_the_picture() {
    let Some(folder) = weights() else { return };
    let lpips = Lpips::open(&folder, &Device::Cpu).unwrap();
    let random = &mut Random::new(3);
    let mut noise = || {
        let values: Vec<f32> = (0..3 * 40 * 40).map(|_| random.unit() as f32).collect();
        Tensor::from_vec(values, (1, 3, 40, 40), &Device::Cpu).unwrap()
    };
    let (a, b) = (noise(), noise());
    let var = candle_core::Var::from_tensor(&a).unwrap();
    let gradients = lpips.distance(&var, &b).unwrap().backward().unwrap();
    let gradient = values(gradients.get(&var).unwrap());
    // Along the gradient itself, where the slope is greatest and a ReLU's kinks are averaged out.
    let along = |step: f32| {
        let moved: Vec<f32> = values(&a).iter().zip(&gradient).map(|(a, g)| a + step * g).collect();
        let moved = Tensor::from_vec(moved, a.shape(), &Device::Cpu).unwrap();
        lpips.distance(&moved, &b).unwrap().to_scalar::<f32>().unwrap()
    };
    let length: f32 = gradient.iter().map(|g| g * g).sum();
    let step = 0.02 / length.sqrt();
    let slope = (along(step) - along(-step)) / (2.0 * step);
    assert!((slope - length).abs() < 0.05 * length, "{slope} {length}");
}

/// torchvision's module numbers of VGG-19 without batch normalisation.
#[test]
fn vgg19_has_torchvisions_names_and_shapes() {
    let trunk = vgg19();
    let weights = trunk.graph.parameters().iter().filter(|parameter| parameter.name.ends_with(".weight"));
    let modules: Vec<String> = weights.clone().map(|parameter| parameter.name.clone()).collect();
    let expected = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34].map(|n| format!("features.{n}.weight"));
    assert_eq!(modules, expected);
    let widths: Vec<usize> = weights.map(|parameter| parameter.shape[0]).collect();
    assert_eq!(widths, [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512]);
    let tap = |name: &str| trunk.taps.iter().position(|(tap, _)| tap == name);
    assert!(tap("conv5_4") < tap("relu5_4") && tap("relu5_4") < tap("pool5") && tap("relu2_2") < tap("pool2"));
}

#[test]
fn a_wrong_file_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vgg.safetensors");
    let message = |path: &Path| Trunk::open(Kind::Vgg19, path, &Device::Cpu).unwrap_err().to_string();
    assert!(message(&path).contains("cannot read"));
    std::fs::write(&path, b"nonsense").unwrap();
    assert!(message(&path).contains("not a safetensors file"));
    let save = |shape: &[usize]| {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        let view = safetensors::tensor::TensorView::new(Dtype::F32, shape.to_vec(), &bytes).unwrap();
        std::fs::write(&path, safetensors::serialize([("features.0.weight", view)], None).unwrap()).unwrap();
    };
    save(&[64, 3, 3, 3]);
    let text = message(&path);
    assert!(text.contains("'features.0.bias' is missing") && text.contains("torchvision's vgg19"), "{text}");
    save(&[16, 3, 3, 3]);
    assert!(message(&path).contains("'features.0.weight' is not of shape [64, 3, 3, 3] but [16, 3, 3, 3]"));
    // As many numbers in another order are another network's.
    save(&[3, 64, 3, 3]);
    assert!(message(&path).contains("'features.0.weight' is not of shape [64, 3, 3, 3] but [3, 64, 3, 3]"));
    let number = f32::NAN.to_le_bytes();
    let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![1], &number).unwrap();
    std::fs::write(&path, safetensors::serialize([("features.0.bias", view)], None).unwrap()).unwrap();
    assert!(message(&path).contains("'features.0.bias' holds what is no number"));
}
