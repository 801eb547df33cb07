"""Every rung on one layer, all three directions, beside PyTorch where it is installed.

    python benchmarks/ladder.py            the classic layer: 64 images 3×50×50, 15 kernels 4×4, stride 2

Writes results/ladder.json and prints a table. An algorithm predicted to take longer than --limit seconds is timed on
one image and scaled, and marked so.
"""

import argparse
import tracemalloc
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

import sevenloops as sl
from contest import DIRECTIONS, Layer, contestant, machine, prepare, quartiles, write

CLASSIC = Layer(64, 3, 50, 15, 4, stride=2)


def workspace(layer, direction, name):
    x, w, g = layer.arrays()
    options = {"algorithm": name, **layer.keywords}
    tracemalloc.start()
    if direction == "forward":
        result = sl.conv2d(x, w, **options)
    elif direction == "input_grad":
        result = sl.conv2d_input_grad(g, w, x.shape, **options)
    else:
        result = sl.conv2d_weight_grad(g, x, layer.kernel, **options)
    peak = tracemalloc.get_traced_memory()[1] - result.nbytes
    tracemalloc.stop()
    return peak


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--limit", type=float, default=3.0)
    limit = options.parse_args().limit
    torch = [("torch", variant) for variant in ("contiguous", "channels_last")] if find_spec("torch") else []
    contestants = {name: contestant(name) for name in {"sevenloops", *(name for name, _ in torch)}}
    rows = []
    for direction in DIRECTIONS:
        x, w, _ = CLASSIC.arrays()
        predicted = {
            c.name: c.cost.seconds for c in sl.plan_conv2d(x, w, direction=direction, **CLASSIC.keywords).candidates
        }
        for name, variant in [("sevenloops", a) for a in sl.algorithms()] + torch:
            scaled = predicted.get(variant, 0) > limit
            layer = replace(CLASSIC, n=1) if scaled else CLASSIC
            order, algorithm = (variant, "auto") if name == "torch" else ("channels-first", variant)
            error = prepare(contestants[name], layer, direction, order, algorithm)
            if error is None:
                continue
            times = np.array([t for _ in range(3) for t in contestants[name].time(order, 0.3, 1)]) * (
                CLASSIC.n / layer.n
            )
            row = {"direction": direction, "contestant": name, "variant": variant, "scaled": scaled, "error": error}
            row |= quartiles(times) | {"gflops": CLASSIC.flops / np.median(times) / 1e9}
            if name == "sevenloops":
                row |= {"predicted": predicted[variant], "workspace": workspace(layer, direction, variant)}
            rows.append(row)
            print(
                f"{direction:12} {name:10} {variant:15} {row['median'] * 1e3:12.3f} ms  "
                f"{row['gflops']:8.3f} GFLOP/s  error {error:.1e}" + ("  (one image, scaled)" if scaled else ""),
                flush=True,
            )
    for process in contestants.values():
        process.close()
    write("ladder", {"machine": machine(), "layer": str(CLASSIC), "rows": rows})


if __name__ == "__main__":
    main()
