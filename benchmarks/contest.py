"""What the scripts here share beyond `sevenloops.bench`: checked calls of single algorithms, and where results go."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import sevenloops as sl
from sevenloops import bench
from sevenloops.bench.measure import largest_error
from sevenloops.bench.reference import reference

RESULTS = Path(__file__).parent / "results"
DIRECTIONS = ("forward", "input_grad", "weight_grad")
Layer = bench.ConvLayer.square


def contestant(name):
    """Return a library in a process of its own, with as many threads as this one may use."""
    return bench.Contestant(name, bench.CONTESTANTS[name].command, sl.get_num_threads())


def prepare(process, layer, direction, variant, algorithm="auto"):
    """Let a contestant prepare a pass; return its error against float64, or None where it refuses."""
    (task,) = bench.conv_tasks([layer], [direction])
    try:
        results, _ = process.prepare({**task.request, "algorithm": algorithm}, variant)
    except bench.ContestantRefusal:
        return None
    return largest_error(results, [reference(layer, direction)])


def machine():
    """What the figures were measured on, and with."""
    versions = {}
    for package in ("torch", "threadpoolctl"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {**bench.machine(sl.get_num_threads()), "versions": versions}


def write(name, content):
    """Keep results as JSON."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def quartiles(times):
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {"median": float(median), "low": float(low), "high": float(high), "runs": len(times)}
