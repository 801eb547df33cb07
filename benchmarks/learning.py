"""What a training step spends its time on beside convolution, ours beside PyTorch's: forward and backward.

    python benchmarks/learning.py [--seconds S] [--only TEXT]

Each library runs in a process of its own with two threads; they take turns. The results of both are compared before
anything is timed. Writes results/learning.json; the cases that we lose most are printed first.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from contest import machine, quartiles, write
from sevenloops.bench import Contestant
from sevenloops.bench.serving import Prepared, serve

THREADS = 2
IMAGES = (32, 64, 28, 28)
SHAPES = {
    "images": IMAGES,
    "images channels-last": IMAGES,
    "a million": (1_000_000,),
    "rows": (4096, 768),
    "10 classes": (4096, 10),
    "1000 classes": (512, 1000),
}
#: Case: what it is computed on, and the expression of `F`, the library's functions, that is computed.
FUNCTIONS = {
    **{
        f"{name}, {on}": (on, call)
        for on in ("images", "images channels-last")
        for name, call in {
            "batch_norm": "F.batch_norm(x, None, None, training=True)",
            "group_norm": "F.group_norm(x, 8)",
            "instance_norm": "F.instance_norm(x)",
        }.items()
    },
    "layer_norm": ("rows", "F.layer_norm(x, (768,))"),
    **{name: ("a million", f"F.{name}(x)") for name in ("relu", "gelu", "silu", "mish", "hardswish", "tanh")},
    "dropout": ("a million", "F.dropout(x, 0.5)"),
    "softmax": ("rows", "F.softmax(x, dim=1)"),
    "cross_entropy, 10 classes": ("10 classes", "F.cross_entropy(x, labels)"),
    "cross_entropy, 1000 classes": ("1000 classes", "F.cross_entropy(x, labels)"),
}
OPTIMIZERS = {
    "SGD": {"lr": 0.01},
    "SGD with momentum": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "Adam": {"lr": 1e-3},
    "AdamW": {"lr": 1e-3},
    "RMSprop": {"lr": 1e-3},
}
LENET = [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 16, 5, 5), (120,), (84, 120), (84,), (10, 84), (10,)]
CASES = [*FUNCTIONS, *(f"{name}, a step of LeNet-5" for name in OPTIMIZERS), "LeNet-5, a training step of 64 images"]


def arrays_of(on):
    """Return x, the gradient that comes in, and labels: the same in both processes."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(SHAPES[on], dtype=np.float32) for _ in range(2))
    if on == "images channels-last":
        x, g = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, g))
    return x, g, rng.integers(0, SHAPES[on][-1], SHAPES[on][0])


def prepare(case, library):
    """Return what to time, and a function that returns the arrays to compare (None for random ones)."""
    if case in FUNCTIONS:
        on, expression = FUNCTIONS[case]
        x, g, labels = arrays_of(on)
        x, g, labels = library.leaf(x), library.constant(g), library.constant(labels)
        function = eval(f"lambda F, x, labels: {expression}")

        def call():
            x.grad = None
            y = function(library.functions, x, labels)
            y.backward(g) if y.shape == x.shape else y.backward()
            return y

        return call, lambda: None if case == "dropout" else [library.array(call()), library.array(x.grad)]
    if case in CASES[-1:]:
        return library.training_step()
    name, options = case.removesuffix(", a step of LeNet-5"), OPTIMIZERS[case.removesuffix(", a step of LeNet-5")]
    rng = np.random.default_rng(0)
    parameters = [library.leaf(rng.standard_normal(shape, dtype=np.float32)) for shape in LENET]
    for parameter, shape in zip(parameters, LENET):
        parameter.grad = library.gradient(rng.standard_normal(shape, dtype=np.float32))
    optimizer = getattr(library.optim, name.split()[0])(parameters, **options)
    return optimizer.step, lambda: [library.array(parameter) for parameter in parameters]


class Ours:
    def __init__(self):
        import sevenloops

        sevenloops.set_num_threads(THREADS)
        self.functions, self.optim, self.sl = sevenloops, sevenloops.optim, sevenloops

    def leaf(self, a):
        return self.sl.Tensor(a.copy(order="K"), requires_grad=True)

    def constant(self, a):
        return a

    gradient = constant

    def array(self, value):
        return np.asarray(value.data if isinstance(value, self.sl.Tensor) else value)

    def training_step(self):
        rng = np.random.default_rng(0)
        x, labels = rng.standard_normal((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64)
        model = self.sl.nn.models.LeNet5(rng=0)
        optimizer = self.sl.optim.Adam(model.parameters(), lr=1e-3)

        def call():
            optimizer.zero_grad()
            self.sl.cross_entropy(model(x), labels).backward()
            optimizer.step()

        return call, lambda: None


class Theirs:
    def __init__(self):
        import torch

        torch.set_num_threads(THREADS)
        self.functions, self.optim, self.torch = torch.nn.functional, torch.optim, torch

    def leaf(self, a):
        return self.torch.tensor(a).requires_grad_() if a.flags.c_contiguous else self._strided(a).requires_grad_()

    def _strided(self, a):
        return self.torch.from_numpy(a.copy(order="K"))

    def constant(self, a):
        return self.torch.from_numpy(a)

    gradient = constant

    def array(self, value):
        return value.detach().numpy()

    def training_step(self):
        nn = self.torch.nn
        rng = np.random.default_rng(0)
        x, labels = rng.standard_normal((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64)
        x, labels = self.torch.from_numpy(x), self.torch.from_numpy(labels)
        model = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh()),
            *(nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
            *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
        )
        optimizer = self.torch.optim.Adam(model.parameters(), lr=1e-3)

        def call():
            optimizer.zero_grad()
            self.functions.cross_entropy(model(x), labels).backward()
            optimizer.step()

        return call, lambda: None


LIBRARIES = {"sevenloops": Ours, "torch": Theirs}


class Preparer:
    """A library as a contestant."""

    def __init__(self, library):
        self.library = library()

    def introduce(self):
        return {}

    def prepare(self, task, variant):
        call, results = prepare(task["case"], self.library)
        return Prepared(call, lambda: results() or [])


def compare(case, contestants):
    """Let both prepare a case; raise an error where their results differ."""
    for ours, theirs in zip(*(contestant.prepare({"case": case}, "default")[0] for contestant in contestants)):
        error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        if error > 1e-3:
            raise SystemExit(f"{case}: the results differ by {error:.1e} of the largest")


def main():
    parser = argparse.ArgumentParser(description="Time what a training step consists of beside convolution.")
    parser.add_argument("--seconds", type=float, default=0.4, help="for each turn (default: 0.4)")
    parser.add_argument("--turns", type=int, default=5, help="of each contestant (default: 5)")
    parser.add_argument("--only", default="", help="cases that contain this")
    options = parser.parse_args()
    script = [str(Path(__file__)), "--serve"]
    contestants = [Contestant(name, [*script, name], THREADS) for name in LIBRARIES]
    rows = []
    for case in CASES:
        if options.only not in case:
            continue
        compare(case, contestants)
        times = {contestant.name: [] for contestant in contestants}
        for _ in range(options.turns):
            for contestant in contestants:
                times[contestant.name] += contestant.time("default", options.seconds, 1)
        figures = {name: quartiles(seconds) for name, seconds in times.items()}
        rows.append({"case": case, "ratio": figures["sevenloops"]["median"] / figures["torch"]["median"], **figures})
    for contestant in contestants:
        contestant.close()
    rows.sort(key=lambda row: -row["ratio"])
    print(f"{'forward and backward':40} {'ours':>9} {'PyTorch':>9}  times PyTorch's")
    for row in rows:
        ours, theirs = (1e3 * row[name]["median"] for name in ("sevenloops", "torch"))
        print(f"{row['case']:40} {ours:6.3f} ms {theirs:6.3f} ms  {row['ratio']:.2f}")
    if not options.only:
        write("learning", {"machine": machine(), "cases": rows})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(lambda: Preparer(LIBRARIES[sys.argv[2]]))
    else:
        main()
