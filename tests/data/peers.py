#!/usr/bin/env python3
"""Writes peers.json: what ONNX Runtime makes of a folder of foreign generators. tests/models.rs compares tract with it.

    python3 peers.py FOLDER > peers.json

The input is repeatable noise from 0 to 1 (the generator of numbers below), mapped to the model's value range, which the
NAME.json beside a model tells ([0, 1] otherwise); outputs are mapped back. Of each output 97 samples are kept, evenly
spread, and mean and standard deviation. Needs: pip install numpy onnx onnxruntime
"""
import json
import pathlib
import sys

import numpy as np
import onnxruntime

DYNAMIC = (26, 33)  # height, width


def noise(shape):
    state, out = 1, np.empty(int(np.prod(shape)), np.float32)
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (state >> 8) / 16777216.0
    return out.reshape(shape)


def expected(path):
    beside = path.with_suffix(".json")
    black, white = json.loads(beside.read_text())["range"] if beside.exists() else (0, 1)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    height, width = (n if isinstance(n, int) else d for n, d in zip(source.shape[2:], DYNAMIC))
    picture = noise((1, source.shape[1], height, width)) * np.float32(white - black) + np.float32(black)
    output = (session.run(None, {source.name: picture})[0].astype(np.float64) - black) / (white - black)
    samples = output.reshape(-1)[np.linspace(0, output.size - 1, 97).astype(np.int64)]
    return {
        "range": [black, white],
        "width": width,
        "height": height,
        "shape": list(output.shape),
        "samples": [round(float(v), 7) for v in samples],
        "mean": float(output.mean()),
        "deviation": float(output.std()),
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    models = {path.name: expected(path) for path in sorted(folder.glob("*.onnx"))}
    print("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in models.items()) + "}")


main()
