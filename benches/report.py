#!/usr/bin/env python3
"""Writes benches/REPORT.md: our runtime against others on the same networks, burst by burst in turn on this machine.

    pip install numpy onnxruntime [ncnn]
    cargo build --release
    python3 benches/report.py models/*/model.onnx [MORE.onnx ...] [--ncnn DIR] [--gpu FILE] [--peak-f32 GFLOPS] [--peak-int8 GOPS]

DIR holds NAME.param and NAME.bin for MODEL NAME.onnx (pnnx NAME.onnx fp16=0 makes them). FILE holds a line for each run of
`upres-host bench MODEL.onnx --size WxH --json` on a GPU host, with the same models and sizes. What benches/ARM.md says is taken over. The peaks are those of one core, from any
program that measures them; with them the share of the peak that a whole frame reaches is printed. Multiply-adds are counted as in the
plain convolution, so Winograd's f32 can pass the peak. A model of fixed size is timed at that size, others at --sizes.
"""
import argparse
import datetime
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time

UPRES = "target/release/upres"


def machine():
    model = "unknown processor"
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {platform.machine()}, Linux {platform.release()}"


def answer(*command):
    return json.loads(subprocess.run([UPRES, *command, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)


def ours(model, size, threads, frames):
    told = answer("bench", "--model", model, "--size", size, "--threads", str(threads), "--frames", str(frames))
    return statistics.median(told["frame_ms"])


def timed(run, frames):
    times = []
    for _ in range(frames):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def onnxruntime_peer(model, channels, size, threads):
    import numpy
    import onnxruntime

    width, height = map(int, size.split("x"))
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    frame = numpy.random.default_rng(1).random((1, channels, height, width), numpy.float32)
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, frame)
    binding.bind_output(session.get_outputs()[0].name, "cpu")
    return lambda: session.run_with_iobinding(binding)


def ncnn_peer(base, channels, size, threads):
    import ncnn
    import numpy

    width, height = map(int, size.split("x"))
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    if net.load_param(f"{base}.param") or net.load_model(f"{base}.bin"):
        sys.exit(f"ncnn cannot load {base}")
    frame = ncnn.Mat(numpy.random.default_rng(1).random((channels, height, width), dtype=numpy.float32))

    def run():
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], frame)
        return extractor.extract(net.output_names()[0])

    return run


def row(options, model, size, threads, card):
    channels = 1 if card["colour"] == "luma" else 3
    peers = {"ONNX Runtime": onnxruntime_peer(model, channels, size, threads)}
    base = options.ncnn and pathlib.Path(options.ncnn) / pathlib.Path(model).stem
    if base and base.with_name(base.name + ".param").exists():
        peers["ncnn"] = ncnn_peer(base, channels, size, threads)
    own = [ours(model, size, threads, options.frames)]
    frames = {name: max(3, min(options.frames, int(2000 / max(timed(run, 2), 0.1)))) for name, run in peers.items()}
    times = {name: [] for name in peers}
    own = []
    for _ in range(options.bursts):
        for name, run in peers.items():
            times[name].append(timed(run, frames[name]))
        own.append(ours(model, size, threads, options.frames))
    label = pathlib.Path(model)
    label = label.parent.name if label.stem == "model" else label.stem
    cells = [label, size, str(threads), f"{statistics.median(own):.2f}"]
    for name in ("ONNX Runtime", "ncnn"):
        if name in times:
            ratios = sorted(peer / mine for peer, mine in zip(times[name], own))
            cells += [f"{statistics.median(times[name]):.2f}", f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"]
        else:
            cells += ["", ""]
    width, height = map(int, size.split("x"))
    rate = 2e-6 * card["mac_per_pixel"] * width * height / statistics.median(own) / threads
    peak = options.peak_int8 if card["precision"] == "int8" else options.peak_f32
    cells.append(f"{rate:.0f}" + (f" ({100 * rate / peak:.0f} %)" if peak else ""))
    print(" | ".join(cells), file=sys.stderr, flush=True)
    return "| " + " | ".join(cells) + " |", (label, size, statistics.median(own))


def gpu_host(path, own):
    """The best of ours on the CPU beside the GPU host's frames, as far as there are any."""
    told = {}
    for line in pathlib.Path(path).read_text().splitlines() if path else ():
        run = json.loads(line)
        if run["device"] == "cuda":
            name = pathlib.Path(run["model"])
            told[name.parent.name if name.stem == "model" else name.stem, run["size"]] = statistics.median(run["frame_ms"])
    best = {}
    for label, size, ms in own:
        best[label, size] = min(ms, best.get((label, size), ms))
    lines = ["| model | size | upres on this CPU, ms | candle on the GPU host, copies in and out counted, ms |", "|---|---|---|---|"]
    for key, ms in best.items():
        gpu = f"{told[key]:.2f}" if key in told else "not measured"
        lines.append(f"| {key[0]} | {key[1]} | {ms:.2f} | {gpu} |")
    return "\n".join(lines if told else ["On a GPU host: not measured."])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--ncnn")
    parser.add_argument("--sizes", default="64x64,128x128,320x180,480x270")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--bursts", type=int, default=5)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--peak-f32", type=float)
    parser.add_argument("--peak-int8", type=float)
    parser.add_argument("--gpu")
    parser.add_argument("--output", default="benches/REPORT.md")
    options = parser.parse_args()
    import onnxruntime

    rows, own = [], []
    for model in options.models:
        card = answer("info", model)
        fixed = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[2:]
        sizes = [f"{fixed[1]}x{fixed[0]}"] if all(isinstance(n, int) for n in fixed) else options.sizes.split(",")
        for size in sizes:
            for threads in options.threads.split(","):
                line, mine = row(options, model, size, int(threads), card["card"])
                rows.append(line)
                own.append(mine)
    arm = pathlib.Path("benches/ARM.md")
    head = ["model", "size", "threads", "upres, ms", "ONNX Runtime, ms", "ONNX Runtime / upres", "ncnn, ms", "ncnn / upres",
            "GOP/s a core" + (" (share of its peak)" if options.peak_f32 or options.peak_int8 else "")]
    command = " ".join(["python3", "benches/report.py", *(f"'{a}'" if " " in a else a for a in sys.argv[1:])])
    text = f"""# Report

Made by `{command}` on {datetime.date.today()}; {machine()}; instructions {card['cpu']}; ONNX Runtime {onnxruntime.__version__}.
Medians of {options.bursts} bursts in turn; ratios burst by burst, with the lowest and the highest. Above 1 upres is faster.

| {' | '.join(head)} |
|{'---|' * len(head)}
""" + "\n".join(rows) + f"""

## Against a GPU host

{gpu_host(options.gpu, own)}

{arm.read_text().strip() if arm.exists() else ""}
"""
    pathlib.Path(options.output).write_text(text)
    print(f"written: {options.output}")


main()
