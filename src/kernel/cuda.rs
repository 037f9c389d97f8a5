//! Convolution on an NVIDIA GPU with all three of its passes by cuDNN. candle 0.11 asks cuDNN for the forward pass only and
//! goes back with kernels of its own, several times slower. Samples are f32, or bf16 with sums of f32.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, CudnnDataType, FilterDescriptor,
    TensorDescriptor, sys,
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceRepr};
use candle_core::cuda_backend::{CudaDType, CudaStorageSlice, DeviceId};
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, CustomOp2, DType, Layout, Result, Shape, Storage, Tensor, WithDType, bail,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What both cuDNN and candle can hold: f32 and bf16 here.
trait Sample: CudnnDataType + CudaDType + WithDType + DeviceRepr {}

impl<T: CudnnDataType + CudaDType + WithDType + DeviceRepr> Sample for T {}

/// Extents of a convolution, padded with zeros on every side, and what its tensors hold.
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
    dtype: DType,
}

impl Dims {
    fn new(x: &Shape, weight: &Shape, Convolution { stride, padding }: Convolution, dtype: DType) -> Result<Self> {
        let (batch, inputs, height, width) = x.dims4()?;
        let (outputs, weight_inputs, side, side2) = weight.dims4()?;
        let fits = height.min(width) + 2 * padding >= side && stride > 0;
        if inputs != weight_inputs || side != side2 || batch * side == 0 || !fits {
            bail!("convolution of {x:?} by {weight:?} does not fit");
        }
        Ok(Self { batch, inputs, outputs, side, height, width, stride, padding, dtype })
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

/// A thread's handle on a GPU, and what cuDNN chose for it: the algorithm and its workspace in bytes. It chooses by speed,
/// so that two runs may differ in the last bits.
#[derive(Default)]
struct Library {
    handle: Option<Arc<Cudnn>>,
    forward: HashMap<Dims, (sys::cudnnConvolutionFwdAlgo_t, usize)>,
    data: HashMap<Dims, (sys::cudnnConvolutionBwdDataAlgo_t, usize)>,
    filter: HashMap<Dims, (sys::cudnnConvolutionBwdFilterAlgo_t, usize)>,
}

thread_local! {
    static LIBRARIES: RefCell<HashMap<DeviceId, Library>> = RefCell::default();
}

/// What cuDNN calls the operands. Sums are f32 whatever the samples are.
struct Operands<T> {
    conv: ConvDescriptor<f32>,
    x: TensorDescriptor<T>,
    weight: FilterDescriptor<T>,
    y: TensorDescriptor<T>,
}

impl<T: Sample> Operands<T> {
    fn new(library: &Arc<Cudnn>, dims: &Dims) -> Result<Self> {
        let [batch, inputs, outputs, side, height, width, stride, padding] =
            [dims.batch, dims.inputs, dims.outputs, dims.side, dims.height, dims.width, dims.stride, dims.padding]
                .map(|extent| extent as i32);
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let mut conv = library.create_conv2d::<f32>([padding; 2], [stride; 2], [1, 1], mode)?;
        // By default cuDNN would round f32 to the 10 bits of TF32.
        conv.set_math_type(match dims.dtype {
            DType::F32 => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            _ => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        })?;
        Ok(Self {
            conv,
            x: library.create_4d_tensor::<T>(format, [batch, inputs, height, width])?,
            weight: library.create_4d_filter::<T>(format, [outputs, inputs, side, side])?,
            y: library.create_4d_tensor::<T>(format, dims.output().map(|extent| extent as i32))?,
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
/// at every `stride`th place, both f32 or both bf16 on one GPU. The gradient cannot be differentiated again.
///
/// # Errors
/// Where shapes or types do not fit or the GPU fails.
pub fn convolve(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.contiguous()?, Convolution { stride, padding })
}

fn view<'a, T>(slice: &'a CudaSlice<T>, layout: &Layout) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(slice.slice(from..to)),
        None => bail!("the convolution takes contiguous tensors"),
    }
}

/// One pass over `left` and `right`, of `dims` that were read from them: x and w, or w and dy, or x and dy. The result has
/// `len` values.
fn pass(
    pass: Pass,
    dims: &Dims,
    (left, left_layout): (&CudaStorage, &Layout),
    (right, right_layout): (&CudaStorage, &Layout),
    len: usize,
) -> Result<CudaStorage> {
    let device = &left.device;
    LIBRARIES.with_borrow_mut(|libraries| {
        let library = libraries.entry(device.id()).or_default();
        match (&left.slice, &right.slice) {
            (CudaStorageSlice::F32(left), CudaStorageSlice::F32(right)) => {
                let operands = (&view(left, left_layout)?, &view(right, right_layout)?);
                let out = library.run(pass, device, dims, operands, len)?;
                Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
            }
            (CudaStorageSlice::BF16(left), CudaStorageSlice::BF16(right)) => {
                let operands = (&view(left, left_layout)?, &view(right, right_layout)?);
                let out = library.run(pass, device, dims, operands, len)?;
                Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
            }
            _ => bail!("the convolution takes two tensors of f32 or two of bf16"),
        }
    })
}

impl Library {
    fn handle(&mut self, device: &CudaDevice) -> Result<Arc<Cudnn>> {
        match &self.handle {
            Some(handle) => Ok(handle.clone()),
            None => Ok(self.handle.insert(Cudnn::new(device.cuda_stream())?).clone()),
        }
    }

    fn run<T: Sample>(
        &mut self,
        pass: Pass,
        device: &CudaDevice,
        dims: &Dims,
        (left, right): (&CudaView<T>, &CudaView<T>),
        len: usize,
    ) -> Result<CudaSlice<T>> {
        let handle = self.handle(device)?;
        let Operands { conv, x, weight, y } = &Operands::new(&handle, dims)?;
        let stream = device.cuda_stream();
        let scale = (T::from_f64(1.0), T::from_f64(0.0));
        // SAFETY: every value is written by the launch below; with a second factor of zero cuDNN does not read what was there.
        let mut out = unsafe { stream.alloc::<T>(len)? };
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
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, left, right, &mut out));
            }
            Pass::Data => {
                launch!(ConvBackwardData { conv, dx: x, w: weight, dy: y }, data, |op, algorithm, space| op
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, &mut out, left, right));
            }
            Pass::Filter => {
                launch!(ConvBackwardFilter { conv, x, dw: weight, dy: y }, filter, |op, algorithm, space| op
                    .launch::<CudaSlice<u8>, _, _, _>(algorithm, Some(&mut space), scale, left, &mut out, right));
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
        let dims = Dims::new(x_layout.shape(), weight_layout.shape(), *self, x.dtype())?;
        let shape = Shape::from(dims.output().to_vec());
        let y = pass(Pass::Forward, &dims, (x, x_layout), (weight, weight_layout), shape.elem_count())?;
        Ok((y, shape))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dims = Dims::new(x.shape(), weight.shape(), *self, x.dtype())?;
        let tensors = [x.contiguous()?, weight.contiguous()?, dy.contiguous()?];
        let [x_data, weight_data, dy_data] = tensors.each_ref().map(Tensor::storage_and_layout);
        let (Storage::Cuda(x_storage), Storage::Cuda(weight_storage), Storage::Cuda(dy_storage)) =
            (&*x_data.0, &*weight_data.0, &*dy_data.0)
        else {
            bail!("this convolution is for the GPU")
        };
        let (x_side, weight_side) = ((x_storage, x_data.1), (weight_storage, weight_data.1));
        let dy_side = (dy_storage, dy_data.1);
        let back = |direction, left, right, like: &Tensor| -> Result<Tensor> {
            let storage = Storage::Cuda(pass(direction, &dims, left, right, like.elem_count())?);
            Ok(Tensor::from_storage(storage, like.shape().clone(), BackpropOp::none(), false))
        };
        let dx = if x.track_op() { Some(back(Pass::Data, weight_side, dy_side, x)?) } else { None };
        let dw = if weight.track_op() { Some(back(Pass::Filter, x_side, dy_side, weight)?) } else { None };
        Ok((dx, dw))
    }
}
