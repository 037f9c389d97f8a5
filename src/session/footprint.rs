//! What a compiled network holds in memory while it runs.

use tract_onnx::prelude::{TypedFact, TypedModel};

/// Bytes of all tensors that are alive at once at the worst moment, when the nodes run in `order`; constants, which every
/// thread shares, are not among them.
///
/// The sum is taken two and a half times: glibc keeps freed tensors of up to 32 MB and cannot always use the holes again.
/// Six foreign networks were measured at 1.2 to 2.8 times the sum, and at 1.0 with `MALLOC_MMAP_THRESHOLD_` set.
pub(super) fn peak(model: &TypedModel, order: &[usize]) -> u64 {
    let mut last_use = vec![0; model.nodes().len()];
    for (step, &node) in order.iter().enumerate() {
        last_use[node] = step;
        model.node(node).inputs.iter().for_each(|input| last_use[input.node] = step);
    }
    model.outputs.iter().for_each(|output| last_use[output.node] = order.len());
    let (mut alive, mut peak) = (0_u64, 0);
    for (step, &node) in order.iter().enumerate() {
        alive = alive.saturating_add(made_by(model, node));
        peak = alive.max(peak);
        let mut ending = model.node(node).inputs.iter().map(|input| input.node).collect::<Vec<_>>();
        ending.push(node);
        ending.sort_unstable();
        ending.dedup();
        let ended = ending.iter().filter(|&&n| last_use[n] == step).map(|&n| made_by(model, n)).sum();
        alive = alive.saturating_sub(ended);
    }
    peak.saturating_mul(5) / 2
}

/// Bytes that a node makes; nothing for a constant.
fn made_by(model: &TypedModel, node: usize) -> u64 {
    let node = model.node(node);
    if node.op.name() == "Const" {
        return 0;
    }
    // A lazy view makes no tensor but keeps the one that it looks at.
    if node.op.name().starts_with("LazyIm2") {
        return node.inputs.iter().map(|input| tensor(&model.nodes()[input.node].outputs[input.slot].fact)).sum();
    }
    node.outputs.iter().map(|output| bytes(&output.fact)).sum()
}

fn tensor(fact: &TypedFact) -> u64 {
    let elements = fact.shape.as_concrete().unwrap_or(&[]).iter().map(|&side| side as u64);
    elements.product::<u64>().saturating_mul(fact.datum_type.size_of() as u64)
}

/// A tensor's bytes with those of the packed copies that it may hold.
fn bytes(fact: &TypedFact) -> u64 {
    tensor(fact).max(fact.mem_size().to_i64().map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0)))
}
