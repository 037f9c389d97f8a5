//! Convolution on an NVIDIA GPU with all three of its passes by cuDNN. candle 0.11 asks cuDNN for the forward pass only and
//! goes back with kernels of its own, several times slower.

use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, FilterDescriptor, TensorDescriptor, sys,
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, CustomOp2, Device, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Extents of a convolution, padded with zeros on every side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Dims {
    batch: usize,
    inputs: usize,
    outputs: usize,
    side: usize,
    height: usize,
    width: usize,
    stride: usize,
    padding: usize,
}

impl Dims {
    fn new(x: &Shape, weight: &Shape, stride: usize, padding: usize) -> Result<Self> {
        let (batch, inputs, height, width) = x.dims4()?;
        let (outputs, weight_inputs, side, side2) = weight.dims4()?;
        let fits = height.min(width) + 2 * padding >= side && stride > 0;
        if inputs != weight_inputs || side != side2 || batch * side == 0 || !fits {
            bail!("convolution of {x:?} by {weight:?} does not fit");
        }
        Ok(Self { batch, inputs, outputs, side, height, width, stride, padding })
    }

    fn output(&self) -> [usize; 4] {
        let across = |extent| (extent + 2 * self.padding - self.side) / self.stride + 1;
        [self.batch, self.outputs, across(self.height), across(self.width)]
    }
}

/// The passes of a convolution.
#[derive(Debug, Clone, Copy)]
enum Pass {
    Forward,
    Data,
    Filter,
}

/// A thread's handle on the one GPU that a program uses, and what cuDNN chose for it: the algorithm and its workspace in
/// bytes. It chooses by speed, so that two runs may differ in the last bits.
#[derive(Default)]
struct Library {
    handle: Option<Arc<Cudnn>>,
    forward: HashMap<Dims, (sys::cudnnConvolutionFwdAlgo_t, usize)>,
    data: HashMap<Dims, (sys::cudnnConvolutionBwdDataAlgo_t, usize)>,
    filter: HashMap<Dims, (sys::cudnnConvolutionBwdFilterAlgo_t, usize)>,
}

thread_local! {
    static LIBRARY: RefCell<Library> = RefCell::default();
}

/// What cuDNN calls the operands.
struct Operands {
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<f32>,
    weight: FilterDescriptor<f32>,
    y: TensorDescriptor<f32>,
}

impl Operands {
    fn new(library: &Arc<Cudnn>, dims: &Dims) -> Result<Self> {
        let [batch, inputs, outputs, side, height, width, stride, padding] =
            [dims.batch, dims.inputs, dims.outputs, dims.side, dims.height, dims.width, dims.stride, dims.padding]
                .map(|extent| extent as i32);
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        Ok(Self {
            conv: library.create_conv2d::<f32>([padding; 2], [stride; 2], [1, 1], mode)?,
            x: library.create_4d_tensor::<f32>(format, [batch, inputs, height, width])?,
            weight: library.create_4d_filter::<f32>(format, [outputs, inputs, side, side])?,
            y: library.create_4d_tensor::<f32>(format, dims.output().map(|extent| extent as i32))?,
        })
    }
}

/// `y = conv(x, w)`; gradients only of what candle tracks.
#[derive(Debug, Clone, Copy)]
struct Convolution {
    stride: usize,
    padding: usize,
}

/// Convolves `x` `[batch, inputs, height, width]` with `weight` `[outputs, inputs, side, side]`, `padding` zeros around x,
/// at every `stride`th place, both f32 on one GPU.
///
/// # Errors
/// Where shapes do not fit or the GPU fails.
pub fn convolve(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.contiguous()?, Convolution { stride, padding })
}

fn view<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(storage.as_cuda_slice::<f32>()?.slice(from..to)),
        None => bail!("the convolution takes contiguous tensors"),
    }
}

impl Library {
    fn handle(&mut self, device: &CudaDevice) -> Result<Arc<Cudnn>> {
        match &self.handle {
            Some(handle) => Ok(handle.clone()),
            None => Ok(self.handle.insert(Cudnn::new(device.cuda_stream())?).clone()),
        }
    }

    /// One pass over `left` and `right`: x and w, or w and dy, or x and dy. The result has `len` values.
    fn run(
        &mut self,
        pass: Pass,
        device: &CudaDevice,
        dims: &Dims,
        (left, right): (&CudaView<f32>, &CudaView<f32>),
        len: usize,
    ) -> Result<CudaSlice<f32>> {
        let handle = self.handle(device)?;
        let Operands { conv, x, weight, y } = &Operands::new(&handle, dims)?;
        let stream = device.cuda_stream();
        let scale = (1.0f32, 0.0f32);
        // SAFETY: every value is written by the launch below; with a second factor of zero cuDNN does not read what was there.
        let mut out = unsafe { stream.alloc::<f32>(len)? };
        // Chooses once for these extents, then launches with that choice.
        macro_rules! launch {
            ($op:expr, $chosen:ident, |$launch:ident, $algorithm:ident, $space:ident| $call:expr) => {{
                let $launch = $op;
                let ($algorithm, bytes) = match self.$chosen.get(dims) {
                    Some(&known) => known,
                    None => {
                        let algorithm = $launch.pick_algorithm()?;
                        let bytes = $launch.get_workspace_size(algorithm)?;
                        self.$chosen.insert(*dims, (algorithm, bytes));
                        (algorithm, bytes)
                    }
                };
                // SAFETY: the workspace holds nothing that is read before it is written; the descriptors were made from
                // the extents that the slices have, and `bytes` is what cuDNN asked for with this algorithm.
                unsafe {
                    let mut $space = stream.alloc::<u8>(bytes.max(1))?;
                    $call?;
                }
            }};
        }
        match pass {
            Pass::Forward => {
                launch!(ConvForward { conv, x, w: weight, y }, forward, |op, algorithm, space| op
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, left, right, &mut out))
            }
            Pass::Data => {
                launch!(ConvBackwardData { conv, dx: x, w: weight, dy: y }, data, |op, algorithm, space| op
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, &mut out, left, right))
            }
            Pass::Filter => {
                launch!(ConvBackwardFilter { conv, x, dw: weight, dy: y }, filter, |op, algorithm, space| op
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, left, &mut out, right))
            }
        }
        Ok(out)
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "upres-cudnn-convolution"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("this convolution is for the GPU")
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let dims = Dims::new(x_layout.shape(), weight_layout.shape(), self.stride, self.padding)?;
        let operands = (&view(x, x_layout)?, &view(weight, weight_layout)?);
        let (device, shape) = (&x.device, Shape::from(dims.output().to_vec()));
        let run = |library: &RefCell<Library>| {
            library.borrow_mut().run(Pass::Forward, device, &dims, operands, shape.elem_count())
        };
        Ok((CudaStorage::wrap_cuda_slice(LIBRARY.with(run)?, device.clone()), shape))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dims = Dims::new(x.shape(), weight.shape(), self.stride, self.padding)?;
        let Device::Cuda(device) = x.device() else { bail!("this convolution is for the GPU") };
        let tensors = [x.contiguous()?, weight.contiguous()?, dy.contiguous()?];
        let [x_data, weight_data, dy_data] = tensors.each_ref().map(Tensor::storage_and_layout);
        let (Storage::Cuda(x_storage), Storage::Cuda(weight_storage), Storage::Cuda(dy_storage)) =
            (&*x_data.0, &*weight_data.0, &*dy_data.0)
        else {
            bail!("this convolution is for the GPU")
        };
        let x_view = view(x_storage, x_data.1)?;
        let weight_view = view(weight_storage, weight_data.1)?;
        let dy_view = view(dy_storage, dy_data.1)?;
        let tensor = |values, shape: &Shape| {
            let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(values, device.clone()));
            Tensor::from_storage(storage, shape.clone(), BackpropOp::none(), false)
        };
        LIBRARY.with(|library| {
            let mut library = library.borrow_mut();
            let mut run = |pass, operands, like: &Tensor| -> Result<Tensor> {
                Ok(tensor(library.run(pass, device, &dims, operands, like.elem_count())?, like.shape()))
            };
            let dx = if x.track_op() { Some(run(Pass::Data, (&weight_view, &dy_view), x)?) } else { None };
            let dw = if weight.track_op() { Some(run(Pass::Filter, (&x_view, &dy_view), weight)?) } else { None };
            Ok((dx, dw))
        })
    }
}
