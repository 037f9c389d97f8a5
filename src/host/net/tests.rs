#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn merged_equals_unmerged_everywhere_the_border_included() {
    for block in [Block::Plain, Block::Ecb, Block::Collapsible] {
        let mut random = Random::new(3);
        let shape = Shape { scale: 2, channels: 6, blocks: 2, block };
        let net = Net::new(shape, &mut random, &Device::Cpu).unwrap();
        for (name, var) in net.variables() {
            if name.ends_with("bias") {
                let noise: Vec<f32> = (0..var.elem_count()).map(|_| random.normal() as f32).collect();
                var.set(&Tensor::from_vec(noise, var.shape(), &Device::Cpu).unwrap()).unwrap();
            }
        }
        let x =
            Tensor::from_vec((0..63).map(|i| (i % 17) as f32 / 17.0).collect::<Vec<_>>(), (1, 1, 7, 9), &Device::Cpu)
                .unwrap();
        let merged = net.forward(&x).unwrap();
        let mut unmerged = x;
        for (i, layer) in net.layers.iter().enumerate() {
            // Branch by branch, as the papers draw it, with candle's convolution.
            let mut sum = layer.var("bias").unwrap().reshape((1, (), 1, 1)).unwrap();
            let three = |k: &Tensor| k.reshape(((), k.elem_count() / 9 / k.dim(0).unwrap(), 3, 3)).unwrap();
            let mut add = |y: Tensor| sum = y.broadcast_add(&sum).unwrap();
            if let Some(identity) = &layer.fixed {
                add(unmerged.conv2d(&three(identity), 1, 1, 1, 1).unwrap());
            }
            if let Some(kernel) = layer.var("kernel") {
                add(unmerged.conv2d(&three(kernel), 1, 1, 1, 1).unwrap());
            }
            if let (Some(expand), Some(squeeze)) = (layer.var("expand"), layer.var("squeeze")) {
                if block == Block::Ecb {
                    let wide = unmerged.conv2d(&expand.reshape(((), layer.inputs, 1, 1)).unwrap(), 0, 1, 1, 1).unwrap();
                    let squeeze = squeeze.reshape((layer.outputs, 3, 3, ())).unwrap().permute((0, 3, 1, 2)).unwrap();
                    add(wide.conv2d(&squeeze.contiguous().unwrap(), 1, 1, 1, 1).unwrap());
                } else {
                    let wide = unmerged.conv2d(&three(expand), 1, 1, 1, 1).unwrap();
                    add(wide.conv2d(&squeeze.reshape((layer.outputs, (), 1, 1)).unwrap(), 0, 1, 1, 1).unwrap());
                }
            }
            for (name, kernel) in ["sobel_x", "sobel_y", "laplacian"].iter().zip(EDGE_KERNELS) {
                if let Some(weight) = layer.var(name) {
                    let mixed =
                        unmerged.conv2d(&weight.reshape((layer.outputs, (), 1, 1)).unwrap(), 0, 1, 1, 1).unwrap();
                    let each = Tensor::new(&kernel[..], &Device::Cpu).unwrap().reshape((1, 1, 3, 3)).unwrap();
                    let each = each.repeat((layer.outputs, 1, 1, 1)).unwrap();
                    add(mixed.conv2d(&each, 1, 1, 1, layer.outputs).unwrap());
                }
            }
            unmerged = if i + 1 < net.layers.len() { sum.relu().unwrap() } else { sum };
        }
        let worst = (merged - unmerged).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(worst < 2e-5, "{block:?}: {worst}");
    }
}

#[test]
fn fresh_kernels_sum_to_zero_beside_the_identity() {
    for block in [Block::Plain, Block::Ecb, Block::Collapsible] {
        let shape = Shape { scale: 2, channels: 6, blocks: 2, block };
        let chain = Net::new(shape, &mut Random::new(3), &Device::Cpu).unwrap().merge().unwrap();
        for (n, layer) in chain.layers.iter().enumerate() {
            for (k, kernel) in layer.weight.chunks_exact(9).enumerate() {
                let same = k / layer.inputs == k % layer.inputs;
                let identity = block != Block::Plain && layer.inputs == layer.outputs && same;
                let sum = kernel.iter().sum::<f32>() - f32::from(u8::from(identity));
                assert!(sum.abs() < 1e-5, "{block:?} layer {n} kernel {k}: {sum}");
                assert!(kernel.iter().any(|weight| weight.abs() > 1e-4), "{block:?} layer {n} kernel {k} is zero");
            }
        }
    }
}

#[test]
fn a_chain_survives_the_way_there_and_back() {
    let shape = Shape { scale: 3, channels: 4, blocks: 1, block: Block::Ecb };
    let chain = Net::new(shape, &mut Random::new(1), &Device::Cpu).unwrap().merge().unwrap();
    chain.validate().unwrap();
    for block in [Block::Plain, Block::Ecb] {
        let again = Net::from_chain(&chain, block, &mut Random::new(8), &Device::Cpu).unwrap().merge().unwrap();
        for (a, b) in again.layers.iter().zip(&chain.layers) {
            assert_eq!(a.bias, b.bias);
            assert!(a.weight.iter().zip(&b.weight).all(|(a, b)| (a - b).abs() < 1e-6), "{block:?}");
        }
    }
}
