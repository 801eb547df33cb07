"""Contestants in processes of their own, taking turns: thread pools that share a process slow each other down.

A contestant is a Python process that reads one JSON object per line and answers with one. The parent lets one run at
a time; every output is compared with float64 before anything is timed.
"""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import sevenloops as sl

RESULTS = Path(__file__).parent / "results"
DIRECTIONS = ("forward", "input_grad", "weight_grad")


@dataclass(frozen=True)
class Layer:
    """A convolution layer: N, C, H, W -> O, square kernel, stride, padding, groups."""

    n: int
    c: int
    h: int
    o: int
    k: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def __str__(self) -> str:
        text = f"{self.n},{self.c},{self.h},{self.h} -> {self.o}, {self.k}x{self.k}"
        text += f", s{self.stride}" if self.stride > 1 else ""
        text += f", p{self.padding}" if self.padding else ""
        return text + (f", groups {self.groups}" if self.groups > 1 else "")

    @property
    def keywords(self) -> dict[str, int]:
        return {"stride": self.stride, "padding": self.padding, "groups": self.groups}

    def arrays(self, dtype=np.float32):
        """Return x, weight and grad_output, the same in every process."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.n, self.c, self.h, self.h)).astype(np.float32)
        w = rng.standard_normal((self.o, self.c // self.groups, self.k, self.k)).astype(np.float32)
        size = (self.h + 2 * self.padding - self.k) // self.stride + 1
        g = rng.standard_normal((self.n, self.o, size, size)).astype(np.float32)
        return x.astype(dtype), w.astype(dtype), g.astype(dtype)

    @property
    def flops(self) -> int:
        size = (self.h + 2 * self.padding - self.k) // self.stride + 1
        return 2 * self.n * self.o * size * size * (self.c // self.groups) * self.k * self.k

    def run(self, direction, x, w, g, algorithm="auto"):
        """Run one pass of sevenloops."""
        if direction == "forward":
            return sl.conv2d(x, w, algorithm=algorithm, **self.keywords)
        if direction == "input_grad":
            return sl.conv2d_input_grad(g, w, x.shape, algorithm=algorithm, **self.keywords)
        return sl.conv2d_weight_grad(g, x, self.k, algorithm=algorithm, **self.keywords)

    def reference(self, direction):
        """The pass in float64."""
        return self.run(direction, *self.arrays(np.float64), algorithm="im2col")


class Contestant:
    """A process that prepares and times one call at a time."""

    def __init__(self, name: str, script: Sequence[str] = ()) -> None:
        self.name = name
        script = script or [str(Path(__file__).parent / f"contestant_{name}.py")]
        self._process = subprocess.Popen(
            [sys.executable, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request):
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the contestant {self.name} has died")
        return json.loads(line)

    def prepare(self, layer: Layer, direction: str, variant: str):
        """Make the arrays, run once; return the error against float64, or None where it cannot run."""
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            answer = self.ask(prepare=asdict(layer), direction=direction, variant=variant, output=file.name)
            if "refused" in answer:
                return None
            reference = layer.reference(direction)
            return float(np.abs(np.load(file.name) - reference).max() / np.abs(reference).max())

    def time(self, seconds: float) -> list[float]:
        """Time calls for about so long; return the seconds of each."""
        return self.ask(time=seconds)["times"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def serve(prepare) -> None:
    """Be a contestant; `prepare(layer, direction, variant)` returns what to time and what gives its result."""
    from time import perf_counter

    call = None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            prepared = prepare(Layer(**request["prepare"]), request["direction"], request["variant"])
            if prepared is None:
                answer = {"refused": True}
            else:
                call, result = prepared
                np.save(request["output"], result())
                answer = {}
        else:
            call()
            times, end = [], perf_counter() + request["time"]
            while not times or perf_counter() < end:
                start = perf_counter()
                call()
                times.append(perf_counter() - start)
            answer = {"times": times}
        print(json.dumps(answer), flush=True)


def machine() -> dict[str, object]:
    """What the figures were measured on, and with."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next((li.split(":")[1].strip() for li in cpuinfo.read_text().splitlines() if "model name" in li), "")
    versions = {"sevenloops": sl.__version__}
    for package in ("numpy", "torch", "threadpoolctl"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "cpu": model or platform.processor(),
        "threads": sl.get_num_threads(),
        "python": platform.python_version(),
        "versions": versions,
    }


def write(name: str, content: object) -> None:
    """Keep results as JSON."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def quartiles(times: list[float]) -> dict[str, float]:
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {"median": float(median), "low": float(low), "high": float(high), "runs": len(times)}
