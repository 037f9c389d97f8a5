#!/usr/bin/env python3
"""Our programs against other runtimes on the same network, burst by burst in turn, so that a machine's drift hits both.

    pip install numpy onnxruntime        # or torch, for the training
    python3 benches/peers.py onnxruntime models/medium-x4/model.onnx --size 320x180
    python3 benches/peers.py pytorch PHOTOGRAPHS --channels 32 --blocks 5

Build first: cargo build --release && cargo build --release --features host
"""
import argparse
import json
import statistics
import subprocess
import tempfile
import time


def table(peer, rows, unit, better):
    """Prints the bursts, the medians and the ratio of neighbouring bursts; `better` says how ours stands to theirs."""
    for theirs, ours in rows:
        print(f"{peer} {theirs:8.2f} {unit}   upres {ours:8.2f} {unit}   {better} {ratio(theirs, ours, unit):.2f}")
    ratios = sorted(ratio(theirs, ours, unit) for theirs, ours in rows)
    middle = [statistics.median(column) for column in zip(*rows)]
    print(f"median: {peer} {middle[0]:.2f} {unit}, upres {middle[1]:.2f} {unit}, "
          f"{better} {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def run(command):
    """The standard output of `command`; its own words where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return done.stdout


def ratio(theirs, ours, unit):
    return theirs / ours if unit == "ms" else ours / theirs


def onnxruntime(options):
    import numpy
    import onnxruntime as runtime
    width, height = (int(side) for side in options.size.split("x"))
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    session = runtime.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    frame = numpy.random.default_rng(1).random((1, session.get_inputs()[0].shape[1], height, width), numpy.float32)
    feed = {session.get_inputs()[0].name: frame}
    rows = []
    for burst in range(options.bursts + 1):
        times = []
        for _ in range(options.frames):
            start = time.perf_counter()
            session.run(None, feed)
            times.append(1000 * (time.perf_counter() - start))
        command = ["target/release/upres", "bench", "--model", options.model, "--size", options.size,
                   "--threads", str(options.threads), "--frames", str(options.frames), "--json"]
        ours = json.loads(run(command))["frame_ms"]
        if burst:  # the first warms both up
            rows.append((statistics.median(times), statistics.median(ours)))
    table("ONNX Runtime", rows, "ms", "ONNX Runtime / upres")


def pytorch(options):
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    widths = [1] + [options.channels] * (options.blocks + 1) + [16]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    adam = torch.optim.Adam(net.parameters(), lr=5e-4)
    low = torch.rand(options.batch, 1, options.patch, options.patch)
    residual = torch.rand(options.batch, 16, options.patch, options.patch) * 0.1

    def burst(steps):
        start = time.perf_counter()
        for _ in range(steps):
            adam.zero_grad()
            torch.nn.functional.l1_loss(net(low), residual).backward()
            adam.step()
        return steps / (time.perf_counter() - start)

    burst(5)
    rows = []
    for _ in range(options.bursts):
        theirs = burst(options.steps)
        with tempfile.TemporaryDirectory() as folder:
            command = ["target/release/upres-host", "train", options.photographs, "-o", folder + "/run", "--json",
                       "--block", options.block, "--precision", options.precision, "--threads", str(options.threads),
                       "--channels", str(options.channels), "--blocks", str(options.blocks),
                       "--batch", str(options.batch), "--patch", str(options.patch),
                       "--steps", str(options.steps), "--measure", str(options.steps)]
            lines = run(command).splitlines()
        rows.append((theirs, json.loads(lines[-1])["steps_per_second"]))
    table("PyTorch", rows, "steps/s", "upres / PyTorch")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peers = parser.add_subparsers(required=True)
    inference = peers.add_parser("onnxruntime", help="time a network's frames against ONNX Runtime")
    inference.add_argument("model")
    inference.add_argument("--size", default="320x180")
    inference.add_argument("--frames", type=int, default=7)
    inference.set_defaults(run=onnxruntime)
    training = peers.add_parser("pytorch", help="time training steps against PyTorch")
    training.add_argument("photographs")
    training.add_argument("--channels", type=int, default=32)
    training.add_argument("--blocks", type=int, default=5)
    training.add_argument("--batch", type=int, default=16)
    training.add_argument("--patch", type=int, default=32)
    training.add_argument("--steps", type=int, default=100)
    training.add_argument("--block", default="plain")
    training.add_argument("--precision", default="f32")
    training.set_defaults(run=pytorch)
    for each in (inference, training):
        each.add_argument("--threads", type=int, default=1)
        each.add_argument("--bursts", type=int, default=5)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
