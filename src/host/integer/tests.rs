#![allow(clippy::unwrap_used)]

use super::*;
use crate::geometry::Size;

/// Expected values by ONNX Runtime 1.31 (x86-64 with VNNI):
/// ```python
/// import numpy as np, onnx, onnxruntime as ort
/// from onnx import helper as h, numpy_helper as n
/// u8, i8 = np.uint8, np.int8
/// w = [(np.arange(27) * 37 % 255 - 127).reshape(3, 1, 3, 3), (np.arange(108) * 91 % 255 - 127).reshape(4, 3, 3, 3)]
/// v = [[.004, .003, .006], [.002, .001, .003, .0015]]
/// b = [[300, -2000, 0], [1000, -500, 77, 0]]
/// t, z = [1/255, .01, .001], [0, 0, 128]
/// I, N = [], [h.make_node('QuantizeLinear', ['x', 't0', 'z0'], ['q0'])]
/// for k in range(3):
///     I += [n.from_array(np.float32(t[k]), f't{k}'), n.from_array(u8(z[k]), f'z{k}')]
/// for k in range(2):
///     I += [n.from_array(w[k].astype(i8), f'w{k}'), n.from_array(np.float32(v[k]), f'v{k}'), n.from_array(np.zeros(len(b[k]), i8), f'o{k}'), n.from_array(np.int32(b[k]), f'b{k}')]
///     N += [h.make_node('QLinearConv', [f'q{k}', f't{k}', f'z{k}', f'w{k}', f'v{k}', f'o{k}', f't{k+1}', f'z{k+1}', f'b{k}'], [f'q{k+1}'], pads=[1]*4)]
/// F, U = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
/// g = h.make_graph(N, 'g', [h.make_tensor_value_info('x', F, [1, 1, 3, 4])], [h.make_tensor_value_info('q2', U, [1, 4, 3, 4])], I)
/// m = h.make_model(g, opset_imports=[h.make_opsetid('', 13)], ir_version=8)
/// x = (np.arange(12) * 5 % 13 / 12).astype(np.float32).reshape(1, 1, 3, 4)
/// print(ort.InferenceSession(m.SerializeToString()).run(None, {'x': x})[0].ravel().tolist())
/// ```
#[test]
fn residual_equals_onnx_runtime_with_saturation_at_both_ends() {
    let weight = |count: i32, by: i32| (0..count).map(|i| (i * by % 255 - 127) as i8).collect();
    let chain = IntegerChain {
        scale: 2,
        layers: vec![
            IntegerLayer {
                inputs: 1,
                outputs: 3,
                weight: weight(27, 37),
                weight_step: vec![0.004, 0.003, 0.006],
                bias: vec![300, -2000, 0],
                step: 0.01,
            },
            IntegerLayer {
                inputs: 3,
                outputs: 4,
                weight: weight(108, 91),
                weight_step: vec![0.002, 0.001, 0.003, 0.0015],
                bias: vec![1000, -500, 77, 0],
                step: 0.001,
            },
        ],
    };
    chain.validate().unwrap();
    let x: Vec<f32> = (0..12).map(|i| (i * 5 % 13) as f32 / 12.0).collect();
    let expected: [u8; 48] = [
        158, 220, 139, 139, 255, 220, 112, 143, 249, 255, 159, 142, 154, 77, 128, 125, 170, 20, 117, 137, 156, 43, 96,
        130, 0, 229, 210, 126, 0, 255, 255, 193, 0, 170, 219, 184, 182, 150, 105, 135, 223, 170, 125, 127, 157, 157,
        104, 113,
    ];
    assert!(expected.contains(&0) && expected.contains(&255));
    let residual = chain.residual(&Maps::from_samples(Size::new(4, 3), &x));
    let got: Vec<u8> = (0..4)
        .flat_map(|c| (0..3).flat_map(move |y| (0..4).map(move |x| (c, x, y))))
        .map(|(c, x, y)| residual.at(c, x, y))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn requantising_rounds_half_to_even_and_saturates() {
    let at = |sum, zero| requantise(sum, 0.5, zero);
    assert_eq!([1, 3, 5, -1, 509, 511, i32::MAX, i32::MIN].map(|s| at(s, 0)), [0, 2, 2, 0, 254, 255, 255, 0]);
    assert_eq!([1, 3, -1, -3, 253, 255, -257, -259].map(|s| at(s, 128)), [128, 130, 128, 126, 254, 255, 0, 0]);
}

#[test]
fn inputs_that_are_no_luma_are_saturated() {
    let x = Maps::from_samples(Size::new(5, 1), &[-1.0, 0.0, 1.0, 2.0, f32::NAN]);
    assert_eq!(quantise_input(&x).row(0, 0), [0, 0, 255, 255, 0]);
}

#[test]
fn the_float_sums_equal_the_integer_sums() {
    // 64 inputs are past what float32 sums exactly, so the wide layer takes the integer way; cut to its first inputs,
    // with the others zero, it takes the float way.
    let (wide, narrow) = (64, 57);
    let weight = |inputs: usize| -> Vec<i8> {
        (0..inputs * 9).map(|i| if i < narrow * 9 { 127 - (i % 2) as i8 } else { 0 }).collect()
    };
    let chain = |inputs: usize| IntegerChain {
        scale: 1,
        layers: vec![
            IntegerLayer {
                inputs: 1,
                outputs: inputs,
                weight: vec![0; inputs * 9],
                weight_step: vec![1.0; inputs],
                bias: vec![0; inputs],
                step: 1.0,
            },
            IntegerLayer {
                inputs,
                outputs: 1,
                weight: weight(inputs),
                weight_step: vec![1.0],
                bias: vec![-16_000_001],
                step: 1e4,
            },
        ],
    };
    let input = |inputs| {
        let mut maps = Maps::new(Size::new(9, 4), inputs);
        for c in 0..inputs {
            for y in 0..4 {
                for (x, q) in maps.row_mut(c, y).iter_mut().enumerate() {
                    *q = 255 - ((c + x * y) % 3) as u8;
                }
            }
        }
        maps
    };
    assert_eq!(chain(wide).layer(1, &input(wide)), chain(narrow).layer(1, &input(narrow)));
}
