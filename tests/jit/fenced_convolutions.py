"""Convolutions of every kind on fenced memory: python -m tests.jit.fenced_convolutions SEED COUNT

It prints what went wrong. Each case is announced first, so that after a crash the last line says which one it was.
"""

import random
import sys
from math import prod

import numpy as np

from sevenloops import runtime
from sevenloops.conv.direct import machine
from sevenloops.conv.problem import Epilogue
from sevenloops.conv.tolerance import tolerance
from sevenloops.conv.winograd import machine as winograd
from sevenloops.jit.planning import linear
from tests.helpers import oracle
from tests.helpers.checks import judge
from tests.helpers.ladder import make_problem
from tests.jit.fences import Fence

# Few widths and lengths of rows, since there is a kernel for each pair, and compiling it takes longer than the cases.
_WIDTHS = (1, 8, 17, 70)
_COLUMNS = (1, 5, 30)
_ROWS = (1, 4, 13)
_ARRANGEMENTS = 8  # of each geometry
_TERMS = 60_000  # multiplications of a case, about


class Memory:
    """The fences of a process."""

    def __init__(self):
        self.fences = {name: Fence(1 << 19) for name in ("first", "second", "bias", "scale", "residual", "out")}
        # Of so many at a time: a copy of the input lives while each group has a workspace.
        self.workspaces = [Fence(1 << 20) for _ in range(48)]

    def empty(self, shape, dtype):
        """Stand in for the allocator of workspaces, each flush against the page behind it."""
        self.workspaces.append(self.workspaces.pop(0))
        return self.workspaces[-1].empty(shape, dtype)


def random_strides(rng, shape, may_repeat):
    """Return strides, in elements, of some arrangement: any order of the axes, gaps, directions, repetitions."""
    kind = rng.choice(("first", "last", "last", "any", "gaps", "reversed", "repeated", "overlapping"))
    order = [0, *range(2, len(shape)), 1] if kind != "first" else list(range(len(shape)))
    if kind in ("any", "gaps", "reversed", "overlapping") and rng.random() < 0.7:
        rng.shuffle(order)
    strides, step = [0] * len(shape), 1
    if kind in ("gaps", "reversed") and prod(shape) > 1000:
        kind = "any"
    for axis in reversed(order):
        if kind == "gaps" or (kind == "reversed" and rng.random() < 0.3):
            step *= rng.randint(1, 2)
            step += rng.randint(0, 2)
        strides[axis] = step
        step *= shape[axis]
    if kind == "reversed":
        strides = [stride * rng.choice((1, -1)) for stride in strides]
    if may_repeat and kind == "repeated":
        strides = [stride * rng.choice((0, 1)) for stride in strides]
    if may_repeat and kind == "overlapping":
        strides = [rng.choice((stride, rng.randint(1, 5))) for stride in strides]
    return strides


class Case:
    """One convolution: its geometry and how its arrays lie."""

    def __init__(self, seed):
        rng = random.Random(seed // _ARRANGEMENTS)
        self.seed, self.rng = seed, random.Random(seed)  # the second one is for how the arrays lie
        self.dtype = rng.choice(("float32", "float64"))
        self.axes = rng.choice((1, 2, 2, 2))
        self.direction = rng.choice(("forward", "input_grad", "weight_grad"))
        self.threads = rng.choice((1, 2, 3))
        while True:
            kind = rng.choice(("plain", "plain", "plain", "pointwise", "groups", "depthwise", "multiplied"))
            self.groups = 1 if kind in ("plain", "pointwise") else rng.choice((2, 3, 8, 17, 40))
            widths = _WIDTHS if self.groups == 1 else (1, 2, 3, 8)
            group_in = 1 if kind in ("depthwise", "multiplied") else rng.choice((*widths, rng.randint(1, 70)))
            group_out = 1 if kind == "depthwise" else rng.choice(widths)
            if self.direction == "input_grad":  # kernels are written for the width of what is computed
                group_in, group_out = group_out, group_in
            self.batch = rng.choice((1, 1, 3))
            outputs, axes = [], []
            for last in range(self.axes - 1, -1, -1):
                k = 1 if kind == "pointwise" else rng.randint(1, rng.choice((2, 3, 7)))
                s, d, padded = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)), rng.choice((0, 1, 4))
                before, after = rng.randint(0, padded), rng.randint(0, padded)
                out = rng.choice(_ROWS if last else _COLUMNS)
                size = (out - 1) * s + (k - 1) * d + 1 + rng.randint(0, s - 1) - before - after
                outputs.append(out)
                axes.append((k, s, d, (before, after), size))
            self.kernel, self.stride, self.dilation, self.padding, self.size = zip(*axes)
            if min(self.size) < 1:
                continue
            if rng.random() < 0.05:  # one window, without padding
                self.kernel, self.padding, self.dilation = self.size, ((0, 0),) * self.axes, (1,) * self.axes
                outputs = [1] * self.axes
            weights = self.groups * group_in * group_out * prod(self.kernel)
            sizes = (self.batch * self.groups * n for n in (group_in * prod(self.size), group_out * prod(outputs)))
            if weights * self.batch * prod(outputs) < _TERMS and max(weights, *sizes) < 8000:
                break
        self.x_shape = (self.batch, self.groups * group_in, *self.size)
        self.weight_shape = (self.groups * group_out, group_in, *self.kernel)
        self.out_shape = (self.batch, self.groups * group_out, *outputs)

    def __str__(self):
        return (
            f"{self.seed}: {self.direction} {self.dtype} x {self.x_shape} w {self.weight_shape} stride {self.stride} "
            f"padding {self.padding} dilation {self.dilation} groups {self.groups} threads {self.threads}"
        )

    @property
    def how(self):
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    def input(self, memory, name, shape):
        """Return an array of random numbers in some arrangement."""
        array = memory.fences[name].place(
            shape, self.dtype, random_strides(self.rng, shape, True), self.rng.random() < 0.6
        )
        array[...] = np.random.default_rng(self.seed).standard_normal(shape)
        return array

    def channels_last(self, memory, name, shape):
        """Return memory of the order in which results are allocated."""
        array = memory.fences[name].empty((shape[0], *shape[2:], shape[1]), self.dtype, self.rng.random() < 0.6)
        return np.moveaxis(array, -1, 1)

    def per_channel(self, memory, name):
        stride = self.rng.choice((1, 1, 2, -1, 0))
        array = memory.fences[name].place((self.out_shape[1],), self.dtype, (stride,), self.rng.random() < 0.6)
        array[...] = np.random.default_rng(self.seed + 1).uniform(0.5, 2, self.out_shape[1])
        return array

    def run(self, memory):
        """Compute the pass and return what is wrong, or None."""
        rng = self.rng
        problem = make_problem(
            self.x_shape,
            self.weight_shape,
            direction=self.direction,
            dtype=self.dtype,
            threads=self.threads,
            channels_last=rng.random() < 0.5,
            usable=("jit",),
            **self.how,
        )
        epilogue = Epilogue()
        if self.direction == "forward":
            first, second = self.input(memory, "first", self.x_shape), self.input(memory, "second", self.weight_shape)
            out = self.channels_last(memory, "out", self.out_shape)
            operands, call = (first, second), lambda: machine.forward(first, second, out, problem, epilogue)
            function, more = oracle.forward, {}
            if rng.random() < 0.4:
                ending = rng.choice(("", "", "scale", "residual", "both"))
                residual = None
                if ending in ("residual", "both"):
                    residual = self.channels_last(memory, "residual", self.out_shape)
                    residual[...] = np.random.default_rng(self.seed + 2).standard_normal(self.out_shape)
                epilogue = Epilogue(
                    self.per_channel(memory, "bias"),
                    self.per_channel(memory, "scale") if ending in ("scale", "both") else None,
                    residual,
                    rng.choice((None, "relu", "relu6")) if ending else None,
                )
        elif self.direction == "input_grad":
            first = self.input(memory, "first", self.out_shape)
            second = self.input(memory, "second", self.weight_shape)
            out = self.channels_last(memory, "out", self.x_shape)
            operands, call = (first, second), lambda: machine.input_grad(first, second, out, problem)
            function, more = oracle.input_grad, {"input_size": self.size}
        else:
            first, second = self.input(memory, "first", self.out_shape), self.input(memory, "second", self.x_shape)
            strides = random_strides(rng, self.weight_shape, False)
            out = memory.fences["out"].place(self.weight_shape, self.dtype, strides, rng.random() < 0.6)
            operands, call = (first, second), lambda: machine.weight_grad(first, second, out, problem)
            function, more = oracle.weight_grad, {"kernel_size": self.kernel}
        expected, magnitude = judge(function, *(a.astype(np.float64) for a in operands), **more, **self.how)
        bound = magnitude.each
        if epilogue.bias is not None:
            bias = epilogue.bias.astype(np.float64).reshape(-1, *(1,) * self.axes)
            scale = 1 if epilogue.scale is None else epilogue.scale.astype(np.float64).reshape(bias.shape)
            residual = 0 if epilogue.residual is None else epilogue.residual.astype(np.float64)
            expected, bound = expected * scale + bias + residual, bound * scale + np.abs(bias) + np.abs(residual)
            if epilogue.activation:
                expected = np.clip(expected, 0, 6 if epilogue.activation == "relu6" else None)
        wrong = check(memory, call, out, expected, bound * tolerance("direct", self.dtype))
        if wrong is None and self.is_for_winograd(problem):
            call = self.winograd(first, second, out, problem, epilogue)
            wrong = check(memory, call, out, expected, bound.max() * tolerance("winograd", self.dtype))
            return wrong and f"winograd: {wrong}"
        return wrong

    def is_for_winograd(self, problem):
        return self.direction != "weight_grad" and winograd.refusal(problem) is None

    def winograd(self, first, second, out, problem, epilogue):
        """Return the same pass with the other algorithm; arrays that its kernels do not take go to NumPy's."""
        print("by winograd", file=sys.stderr, flush=True)
        if self.direction == "forward":
            return lambda: winograd.forward(first, second, out, problem, epilogue)
        return lambda: winograd.input_grad(first, second, out, problem)


def check(memory, call, out, expected, allowed):
    """Call; return what is wrong with the result, or with the memory around it and that of the inputs."""
    before = {name: fence.snapshot() for name, fence in memory.fences.items()}
    was = out.copy()
    call()
    result = out.copy()
    out[...] = was
    for name, fence in memory.fences.items():
        changed = np.flatnonzero(fence.bytes != before[name])
        if changed.size:
            return f"bytes {changed[0]} to {changed[-1]} of {name} have changed"
    error = np.abs(result.astype(np.float64) - expected)
    if not (error <= allowed).all():
        return f"error of {np.nanmax(error)}, NaN in {int(np.isnan(result).sum())} of {result.size}"
    return None


def linear_case(seed, memory):
    """Run a pass of a fully connected layer on fenced memory."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    dtype = rng.choice(("float32", "float64"))
    rows, inputs, outputs = (rng.randint(1, rng.choice((3, 20, 70))) for _ in range(3))
    many = rng.random() < 0.05
    if many:  # enough weights for the kernel that does not pack them
        rows, inputs, outputs, dtype = rng.randint(1, 12), rng.randint(400, 500), rng.randint(400, 500), "float32"
    threads = rng.choice((1, 2, 3))
    large = {"second": Fence(1 << 20)} if many else {}
    fences = {**memory.fences, **large}

    def place(name, shape, strides=None):
        array = fences[name].place(
            shape, dtype, strides or random_strides(rng, (*shape, 1), True)[:2], rng.random() < 0.6
        )
        array[...] = numbers.standard_normal(shape)
        return array

    gap = rng.choice((0, 0, 3))
    direction = "forward" if many else rng.choice(("forward", "input_grad", "weight_grad"))
    if direction == "forward":
        x = place("first", (rows, inputs), (inputs + gap, 1) if many else None)
        w = place("second", (outputs, inputs), (inputs, 1) if many else None)
        bias = rng.choice((None, fences["bias"].empty((outputs,), dtype)))
        if bias is not None:
            bias[...] = numbers.standard_normal(outputs)
        out = fences["out"].place((rows, outputs), dtype, (outputs + gap, 1), rng.random() < 0.6)
        first, second, call = x, w.T, lambda: linear.forward(x, w, bias, out, threads)
    elif direction == "input_grad":
        bias = None
        first, second = place("first", (rows, outputs)), place("second", (outputs, inputs))
        out = fences["out"].place((rows, inputs), dtype, (inputs + gap, 1), rng.random() < 0.6)
        call = lambda: linear.input_grad(first, second, out, threads)  # noqa: E731
    else:
        bias = None
        grad, second = place("first", (rows, outputs), (outputs + gap, 1)), place("second", (rows, inputs))
        out = fences["out"].place(
            (outputs, inputs), dtype, rng.choice(((inputs + gap, 1), (1, outputs))), rng.random() < 0.6
        )
        first, call = grad.T, lambda: linear.weight_grad(grad, second, out, threads)
    wide = [a.astype(np.float64) for a in (first, second)]
    expected, bound = wide[0] @ wide[1], np.abs(wide[0]) @ np.abs(wide[1])
    if bias is not None:
        expected, bound = expected + bias, bound + np.abs(bias)
    wrong = check(memory, call, out, expected, bound * tolerance("direct", dtype))
    return wrong and f"linear {seed}: {direction} {dtype} {(rows, inputs, outputs)} threads {threads}: {wrong}"


def main():
    seed, count = map(int, sys.argv[1:])
    memory = Memory()
    runtime.empty = memory.empty
    for number in range(seed, seed + count):
        case = Case(number)
        print(case, file=sys.stderr, flush=True)
        wrong = case.run(memory)
        if wrong:
            print(case, wrong, flush=True)
        print(f"linear {number}", file=sys.stderr, flush=True)
        wrong = linear_case(number, memory)
        if wrong:
            print(wrong, flush=True)


if __name__ == "__main__":
    main()
