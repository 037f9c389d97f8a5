//! tract itself: loading, compiling for a size, running. Whatever goes wrong in there comes out as an error.

use super::island::{Fuse, Ready};
use super::{Runner, footprint, gpu};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::onnx::proto::{ModelProto, OperatorSetIdProto};
use crate::onnx::{Limits, picture_input};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_core::knobs::KnobScope;
use tract_onnx::prelude::{
    Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, Tensor, TractResult, TypedModel,
    TypedSimplePlan, tvec,
};
use tract_onnx::tract_hir::internal::{Datum, DatumType, f16};

/// tract's choices that depend on the size of the picture, each held to the one that serves every size: its direct
/// convolution (rows of 128 pixels and more) rounds differently from its matrix product.
const SIZE_INDEPENDENT: [(&str, &str); 1] = [("TRACT_DISABLE_DIRECT_SPATIAL", "true")];

/// A network as tract read it, of no size yet.
pub(super) struct Engine {
    model: InferenceModel,
    planes: usize,
    /// What our own engine runs inside of it.
    islands: Vec<Ready>,
    runner: Runner,
}

/// A network compiled for one size.
pub(super) struct Prepared {
    plan: Arc<TypedSimplePlan>,
    shape: [usize; 4],
    output: [usize; 4],
    /// Whether samples go in and come out as 16-bit floats.
    half: bool,
    /// Bytes that one run holds at most.
    pub(super) footprint: u64,
}

impl Engine {
    /// Hands tract exactly what [`crate::onnx::read`] checked, with the sizes left open.
    pub(super) fn load(model: &ModelProto, planes: usize, islands: Vec<Ready>, runner: Runner) -> Result<Self> {
        let mut model = model.clone();
        // Some writers import domains that no operator uses.
        model.opset_import.retain(|o| o.domain.is_empty() || o.domain == "ai.onnx");
        model.opset_import.iter_mut().for_each(|o: &mut OperatorSetIdProto| o.domain.clear());
        model.metadata_props.clear();
        if let Some(graph) = &mut model.graph {
            let input = picture_input(graph)?.name.clone();
            graph.input.retain(|i| i.name == input);
            let free = |v: &mut crate::onnx::proto::ValueInfoProto| {
                if let Some(tensor) = v.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()) {
                    tensor.shape = None;
                }
            };
            graph.input.iter_mut().for_each(free);
            graph.output.iter_mut().for_each(free);
        }
        let bytes = model.to_bytes();
        let model = guarded("cannot be read", || tract_onnx::onnx().model_for_read(&mut bytes.as_slice()))?;
        Ok(Self { model, planes, islands, runner })
    }

    /// The factor between input and output, for graphs whose operators this crate does not know.
    pub(super) fn scale(&self, size: Size, limits: &Limits) -> Result<usize> {
        let model = self.typed(size, limits)?;
        let shape = output_shape(&model)?;
        let scale = shape[2] / size.height;
        if scale == 0 || shape != [1, self.planes, size.height * scale, size.width * scale] {
            return Err(Error::model(format!("the model makes {shape:?} of {size} pixels, which is no whole factor")));
        }
        Ok(scale)
    }

    /// Compiles the network for inputs of `size`.
    pub(super) fn prepare(&self, size: Size, scale: usize, limits: &Limits) -> Result<Prepared> {
        let typed = self.typed(size, limits)?;
        let output = output_shape(&typed)?;
        if output != [1, self.planes, size.height * scale, size.width * scale] {
            return Err(Error::model(format!("the model makes {output:?} of {size} pixels at ×{scale}")));
        }
        let plan = match self.runner {
            Runner::Engine | Runner::Tract => self.compile(typed)?,
            Runner::Cuda => guarded("cannot be compiled for the GPU", || gpu::compile(typed, false))?,
            Runner::CudaHalf => guarded("cannot be compiled for the GPU", || gpu::compile(typed, true))?,
        };
        let footprint = footprint::peak(plan.model(), plan.order_without_consts());
        let half = self.runner == Runner::CudaHalf;
        Ok(Prepared { plan, shape: [1, self.planes, size.height, size.width], output, half, footprint })
    }

    fn compile(&self, mut typed: TypedModel) -> Result<Arc<TypedSimplePlan>> {
        let scope = guarded("cannot be tuned", || KnobScope::new(SIZE_INDEPENDENT))?;
        guarded("cannot be taken over by the engine", || Fuse(&self.islands).apply(&mut typed))?;
        guarded("cannot be compiled", || scope.enter(|| typed.into_optimized()?.into_runnable()))
    }

    fn typed(&self, size: Size, limits: &Limits) -> Result<TypedModel> {
        let shape = [1, self.planes, size.height, size.width];
        let model = guarded(&format!("does not take {size} pixels"), || {
            let model = self.model.clone();
            model
                .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?
                .with_output_fact(0, InferenceFact::default())?
                .into_typed()
        })?;
        let elements = |shape: &[usize]| shape.iter().fold(1_u64, |n, &d| n.saturating_mul(d as u64));
        for fact in model.nodes().iter().flat_map(|n| &n.outputs).map(|o| &o.fact) {
            if fact.shape.as_concrete().is_none_or(|s| elements(s) > limits.tensor_elements) {
                return Err(Error::limit(format!(
                    "the model makes a tensor of {:?} of {size} pixels, which is unbounded or beyond {} elements",
                    fact.shape, limits.tensor_elements
                )));
            }
        }
        Ok(model)
    }
}

impl Prepared {
    /// Fills the input tensor by `fill`, runs, and shows the output tensor to `take`; both are planes, rows, columns.
    pub(super) fn run(&self, fill: impl FnOnce(&mut [f32]), take: impl FnOnce(&[f32])) -> Result<()> {
        let mut input = guarded("cannot be fed", || Tensor::zero::<f32>(&self.shape))?;
        let mut view = guarded("cannot be fed", || input.try_as_plain_ram_mut())?;
        fill(guarded("cannot be fed", || view.as_slice_mut::<f32>())?);
        if self.half {
            input = guarded("cannot be fed", || Ok(input.cast_to::<f16>()?.into_owned()))?;
        }
        let mut outputs = guarded("failed", || self.plan.run(tvec!(input.into())))?;
        if let (true, Some(output)) = (self.half, outputs.first_mut()) {
            *output = guarded("cannot be read out", || Ok(output.cast_to::<f32>()?.into_owned().into()))?;
        }
        let output = outputs.first().filter(|t| t.shape() == self.output && t.datum_type() == DatumType::F32);
        let Some(output) = output else {
            return Err(Error::model("the network gave something else than it announced"));
        };
        take(guarded("cannot be read out", || output.try_as_plain_ram()?.as_slice::<f32>())?);
        Ok(())
    }
}

fn output_shape(model: &TypedModel) -> Result<[usize; 4]> {
    let fact = guarded("has no output", || model.output_fact(0))?;
    if fact.datum_type != DatumType::F32 {
        return Err(Error::model(format!("the model gives {:?}, not float32", fact.datum_type))
            .fix("end the graph in a DequantizeLinear or a Cast to float32"));
    }
    let shape = fact.shape.as_concrete().unwrap_or(&[]);
    shape.try_into().map_err(|_| Error::model(format!("the model gives {:?}, which is no picture", fact.shape)))
}

/// Runs something of tract; an error or a panic becomes a model error.
fn guarded<T>(what: &str, work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::model(format!("the network {what}")).caused_by(error.into_boxed_dyn_error())),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::model(format!("the network {what}: tract gave up on it: {text}")))
        }
    }
}
