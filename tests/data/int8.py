#!/usr/bin/env python3
"""Writes int8.onnx, int8_qdq.onnx and what ONNX Runtime makes of them: int8.json.

    pip install numpy onnx onnxruntime && python3 int8.py

Both graphs are chains of convolutions of unsigned bytes by signed ones, with steps for each channel, zeros that are not 0,
numbers of channels that fill no vector, sums that saturate and sums that fall on ties. The first is made of QLinearConv, the
second of QuantizeLinear, DequantizeLinear and Conv with ReLU, which ONNX Runtime fuses into the same. Needs a processor whose
byte products do not saturate (AVX512-VNNI, AVX-VNNI, ARM): ONNX Runtime's others are not exact for 8-bit weights.
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T, helper as h, numpy_helper as nh

HERE = pathlib.Path(__file__).parent
SIZE = (19, 23)  # rows, columns
LAYERS = [(1, 7, 3), (7, 13, 5), (13, 20, 1), (20, 33, 3), (33, 4, 3)]  # inputs, outputs, side


def chain(quantised_operators):
    noise = np.random.default_rng(3)
    nodes, stored = [], []

    def store(name, array):
        stored.append(nh.from_array(np.asarray(array), name))
        return name

    step, zero = np.float32(1 / 256), np.uint8(0)
    store("step0", step), store("zero0", zero)
    nodes.append(h.make_node("QuantizeLinear", ["x", "step0", "zero0"], ["q0"]))
    for i, (inputs, outputs, side) in enumerate(LAYERS):
        weights = noise.integers(-128, 128, (outputs, inputs, side, side)).astype(np.int8)
        # Powers of two: products of steps are exact, and halves occur.
        steps = (2.0 ** noise.integers(-9, -7, outputs)).astype(np.float32)
        out, out_zero = np.float32(2.0 ** (-1 if i else -2)), np.uint8([0, 3, 128, 7, 121][i])
        bias = noise.integers(-4000, 4000, outputs).astype(np.int32)
        store(f"w{i}", weights), store(f"s{i}", steps), store(f"z{i}", np.zeros(outputs, np.int8))
        store(f"step{i + 1}", out), store(f"zero{i + 1}", out_zero), store(f"b{i}", bias)
        here, there = [f"step{i}", f"zero{i}"], [f"step{i + 1}", f"zero{i + 1}"]
        shape = dict(kernel_shape=[side, side], pads=[side // 2] * 4)
        if quantised_operators:
            names = [f"q{i}", *here, f"w{i}", f"s{i}", f"z{i}", *there, f"b{i}"]
            nodes.append(h.make_node("QLinearConv", names, [f"q{i + 1}"], **shape))
        else:
            store(f"bs{i}", (step * steps).astype(np.float32)), store(f"bz{i}", np.zeros(outputs, np.int32))
            nodes += [
                h.make_node("DequantizeLinear", [f"q{i}", *here], [f"d{i}"]),
                h.make_node("DequantizeLinear", [f"w{i}", f"s{i}", f"z{i}"], [f"dw{i}"], axis=0),
                h.make_node("DequantizeLinear", [f"b{i}", f"bs{i}", f"bz{i}"], [f"db{i}"], axis=0),
                h.make_node("Conv", [f"d{i}", f"dw{i}", f"db{i}"], [f"c{i}"], **shape),
            ]
            if i == 2:
                nodes.append(h.make_node("Relu", [f"c{i}"], [f"r{i}"]))
            nodes.append(h.make_node("QuantizeLinear", [f"r{i}" if i == 2 else f"c{i}", *there], [f"q{i + 1}"]))
        step, zero = out, out_zero
    n = len(LAYERS)
    nodes.append(h.make_node("DequantizeLinear", [f"q{n}", f"step{n}", f"zero{n}"], ["last"]))
    nodes.append(h.make_node("DepthToSpace", ["last"], ["y"], blocksize=2, mode="CRD"))
    graph = h.make_graph(
        nodes,
        "int8",
        [h.make_tensor_value_info("x", T.FLOAT, [1, 1, "height", "width"])],
        [h.make_tensor_value_info("y", T.FLOAT, [1, 1, "tall", "wide"])],
        stored,
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def picture():
    """What the test's own generator makes."""
    state, samples = 5, []
    for _ in range(SIZE[0] * SIZE[1]):
        state = (state * 1664525 + 1013904223) % 2**32
        samples.append((state >> 24) / 256)
    return np.array(samples, np.float32).reshape(1, 1, *SIZE)


def main():
    answers = {}
    for name, operators in [("int8", True), ("int8_qdq", False)]:
        model = chain(operators)
        onnx.save(model, HERE / f"{name}.onnx")
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        y = session.run(None, {"x": picture()})[0]
        assert len(np.unique(y)) > 100, "the chain saturates too much to tell anything"
        # In halves: the last step.
        answers[name] = [int(v) for v in (y * 2).ravel()]
        assert (np.array(answers[name]) == y.ravel() * 2).all()
        print(name, y.min(), y.max(), len(np.unique(y)))
    (HERE / "int8.json").write_text(json.dumps(answers) + "\n")


main()
