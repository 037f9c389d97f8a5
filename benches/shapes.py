#!/usr/bin/env python3
"""Looks for cliffs: the time for each pixel and multiply-add at awkward sizes, channels and activations beside good ones.

    pip install numpy onnx
    cargo build --release
    python3 benches/shapes.py [--threads N] [--frames N]

Networks of random weights are made in a temporary folder: six 3x3 convolutions and pixel shuffle x4 on three planes, and an SRResNet
(16 residual blocks of 64 channels with PReLU, 9x9 head and tail).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

UPRES = "target/release/upres"
RANDOM = numpy.random.default_rng(1)


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.work = [], [], 0

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        scale = 0.5 / numpy.sqrt(numpy.prod(shape[1:]) if len(shape) == 4 else 1)
        self.weights.append(numpy_helper.from_array((RANDOM.standard_normal(shape) * scale).astype(numpy.float32), name))
        return name

    def add(self, operator, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def convolution(self, x, inputs, outputs, side=3, area=1):
        self.work += inputs * outputs * side * side * area
        return self.add("Conv", x, self.weight(outputs, inputs, side, side), self.weight(outputs), pads=[side // 2] * 4)

    def prelu(self, x, channels):
        return self.add("PRelu", x, self.weight(channels, 1, 1))

    def save(self, path, last):
        value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None, None])
        self.nodes.append(helper.make_node("Identity", [last], ["y"]))
        graph = helper.make_graph(self.nodes, "shapes", [value("x")], [value("y")], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return self.work


def chain(path, channels, activation):
    graph = Graph()
    x = graph.convolution("x", 3, channels)
    for _ in range(4):
        x = graph.prelu(x, channels) if activation == "prelu" else graph.add("Relu", x)
        x = graph.convolution(x, channels, channels)
    x = graph.prelu(x, channels) if activation == "prelu" else graph.add("Relu", x)
    return graph.save(path, graph.add("DepthToSpace", graph.convolution(x, channels, 48), blocksize=4, mode="CRD"))


def srresnet(path):
    graph = Graph()
    x = head = graph.prelu(graph.convolution("x", 3, 64, 9), 64)
    for _ in range(16):
        y = graph.prelu(graph.convolution(x, 64, 64), 64)
        x = graph.add("Add", graph.convolution(y, 64, 64), x)
    x = graph.add("Add", graph.convolution(x, 64, 64), head)
    for area in (1, 4):
        x = graph.add("DepthToSpace", graph.convolution(x, 64, 256, 3, area), blocksize=2, mode="CRD")
        x = graph.prelu(x, 64)
    return graph.save(path, graph.convolution(x, 64, 3, 9, 16))


def timed(path, size, options):
    command = [UPRES, "bench", "--model", str(path), "--size", size, "--threads", str(options.threads), "--frames", str(options.frames), "--json"]
    return statistics.median(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["frame_ms"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "shapes.onnx")
        chain(path, 16, "relu")
        print("| 16 channels, size | ms | ns a pixel |\n|---|---|---|")
        for size in ("320x180", "319x179", "321x181", "317x183", "160x360", "640x90", "253x7", "31x31", "32x32", "33x33"):
            ms, (width, height) = timed(path, size, options), map(int, size.split("x"))
            print(f"| {size} | {ms:.2f} | {1e6 * ms / width / height:.1f} |", flush=True)
        print("\n| 320x180, network | ms | ps a multiply-add |\n|---|---|---|")
        for channels in (15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65):
            for activation in ("relu", "prelu"):
                work = chain(path, channels, activation)
                ms = timed(path, "320x180", options)
                print(f"| {channels} channels, {activation} | {ms:.2f} | {1e9 * ms / work / 57600:.2f} |", flush=True)
        work = srresnet(path)
        ms = timed(path, "96x64", options)
        print(f"| SRResNet at 96x64 | {ms:.2f} | {1e9 * ms / work / 6144:.2f} |")


if __name__ == "__main__":
    main()
