//! The engine inside tract: an island of convolutions as one operator, in graphs that the engine cannot run whole.

use crate::engine::{Ends, Packed, Samples, SamplesMut, Stream};
use crate::geometry::Size;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use tract_core::internal::{
    DatumType, DatumTypeExt as _, EvalContext, EvalOp, Op, OutletId, StaticName, TValue, TVec, Tensor, TractResult,
    TypedFact, TypedModel, TypedModelPatch, TypedOp, anyhow, as_op, op_as_typed_op, op_out_of_plan,
};

/// An island ready for any size.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) packed: Arc<Packed>,
}

/// Puts the islands in the place of the operators that they stand for.
#[derive(Debug)]
pub(super) struct Fuse<'a>(pub(super) &'a [Ready]);

impl Fuse<'_> {
    /// Wires every island whose values are where they are expected.
    pub(super) fn apply(&self, model: &mut TypedModel) -> TractResult<()> {
        for island in self.0 {
            let find = |name: &String| value(model, name);
            let inputs = island.inputs.iter().map(find).collect::<TractResult<TVec<_>>>()?;
            let outputs = island.outputs.iter().map(find).collect::<TractResult<TVec<_>>>()?;
            let Some(&first) = inputs.first() else { continue };
            let shape = model.outlet_fact(first)?.shape.as_concrete().map(<[usize]>::to_vec);
            let Some(&[1, _, height, width]) = shape.as_deref() else { continue };
            let operator =
                Fused { packed: island.packed.clone(), size: Size::new(width, height), idle: Arc::default() };
            let mut patch = TypedModelPatch::new("fuse-convolutions");
            let taps = inputs.iter().map(|&input| patch.tap_model(model, input)).collect::<TractResult<TVec<_>>>()?;
            let made = patch.wire_node(format!("fused before {}", island.outputs.join(", ")), operator, &taps)?;
            for (&output, &made) in outputs.iter().zip(&made) {
                patch.shunt_outside(model, output, made)?;
            }
            patch.apply(model)?;
        }
        model.compact()
    }
}

/// Where a value of the graph is made.
fn value(model: &TypedModel, name: &str) -> TractResult<OutletId> {
    // What goes in bears its name as a node and has no label.
    let source = || model.nodes().iter().find(|node| node.name == name).map(|node| OutletId::new(node.id, 0));
    model.find_outlet_label(name).or_else(source).ok_or_else(|| anyhow!("there is no value '{name}'"))
}

/// A chain of convolutions for pictures of one size.
#[derive(Clone)]
struct Fused {
    packed: Arc<Packed>,
    size: Size,
    /// Streams that no thread uses just now.
    idle: Arc<Mutex<Vec<Stream>>>,
}

impl std::fmt::Debug for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} convolutions on {}", self.packed.network().convolutions(), self.size)
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.packed, &other.packed) && self.size == other.size
    }
}

impl Eq for Fused {}

impl Hash for Fused {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.packed) as usize, self.size).hash(state);
    }
}

impl Fused {
    /// The shape of every output.
    fn shapes(&self) -> impl Iterator<Item = [usize; 4]> {
        let network = self.packed.network();
        network.outputs.iter().map(|output| {
            let scale = network.output_scale(output);
            [1, output.shuffle.planes, self.size.height * scale, self.size.width * scale]
        })
    }
}

impl Op for Fused {
    fn name(&self) -> StaticName {
        "FusedConvolutions".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Fused {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut stream = taken.unwrap_or_else(|| Stream::new(self.packed.clone(), self.size, [0.0, 1.0]));
        let mut outputs = self.shapes().map(|shape| Tensor::zero::<f32>(&shape)).collect::<TractResult<Vec<_>>>()?;
        {
            let views = inputs.iter().map(|input| input.try_as_plain_ram()?.as_slice::<f32>());
            let inputs = views.collect::<TractResult<Vec<_>>>()?;
            let mut made = Vec::with_capacity(outputs.len());
            for output in &mut outputs {
                made.push(output.try_as_plain_ram_mut()?);
            }
            let mut slices = Vec::with_capacity(made.len());
            for view in &mut made {
                slices.push(view.as_slice_mut::<f32>()?);
            }
            let shapes: Vec<_> = self.shapes().collect();
            let mut ends = Planes { size: self.size, inputs: &inputs, outputs: slices, shapes: &shapes };
            stream.run(0..self.size.height, &mut ends).map_err(|e| anyhow!("{e}"))?;
        }
        idle().push(stream);
        Ok(outputs.into_iter().map(Into::into).collect())
    }
}

impl TypedOp for Fused {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.shapes().map(|shape| DatumType::F32.fact(shape)).collect())
    }
}

/// Tensors whose rows are streamed.
struct Planes<'a> {
    size: Size,
    inputs: &'a [&'a [f32]],
    outputs: Vec<&'a mut [f32]>,
    shapes: &'a [[usize; 4]],
}

impl Ends for Planes<'_> {
    fn row(&self, input: usize, plane: usize, y: usize) -> Samples<'_> {
        Samples::Float(&self.inputs[input][(plane * self.size.height + y) * self.size.width..][..self.size.width])
    }

    fn rows_mut(&mut self, output: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_> {
        let [_, _, height, width] = self.shapes[output];
        SamplesMut::Float(&mut self.outputs[output][(plane * height + y) * width..][..count * width])
    }
}
