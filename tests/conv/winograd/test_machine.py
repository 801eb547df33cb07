"""Winograd's convolution in machine code against the definition, in memory of which every other byte is watched."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sevenloops import backends
from sevenloops.conv.problem import DIRECTIONS, ConvProblem, Epilogue
from sevenloops.conv.winograd import blocks
from sevenloops.geometry import ConvGeometry
from tests.helpers.cases import Case, arranged
from tests.helpers.checks import assert_close, expect

pytest.importorskip("llvmlite")

from sevenloops.conv.winograd import machine

every_direction = pytest.mark.parametrize("direction", DIRECTIONS)

PLAIN = Case(
    batch=2,
    groups=1,
    group_in=20,
    group_out=40,
    size=(9, 14),
    kernel=(3, 3),
    out=(9, 14),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((1, 1), (1, 1)),
    has_bias=True,
    channels_last=False,
    memory=("contiguous",) * 3,
    seed=0,
)


def guarded(shape, order, dtype, gaps=(0, 0, 0, 0)):
    """Return an array of that shape, its axes in memory in `order`, inside a buffer of a pattern; and the buffer."""
    lengths = [shape[axis] + gap for axis, gap in zip(order, gaps, strict=True)]
    itemsize = np.dtype(dtype).itemsize
    edge = 64
    buffer = np.full(edge + int(np.prod(lengths)) * itemsize + edge, 0xA5, np.uint8)
    # Not a multiple of a cache line, nor of a vector.
    inside = buffer[edge - itemsize : edge - itemsize + int(np.prod(lengths)) * itemsize].view(dtype).reshape(lengths)
    view = inside[tuple(slice(0, shape[axis]) for axis in order)]
    return view.transpose(np.argsort(order)), buffer


LAST = (0, 2, 3, 1)


def run(
    direction, case, dtype="float32", threads=2, weight_order=(0, 1, 2, 3), gaps=(0, 0, 0, 0), max_workspace=None
):
    """Run a kernel on guarded arrays; return the result, having seen that it wrote all of it and nothing else."""
    x, weight, bias, grad = (None if a is None else a.astype(dtype) for a in case.arrays("float64"))
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    problem = ConvProblem(geometry, direction, np.dtype(dtype), True, threads)
    placed, buffers = [], []
    for array, order in ((x, LAST), (weight, weight_order), (grad, LAST)):
        view, buffer = guarded(array.shape, order, dtype, gaps)
        view[...] = array
        placed.append(view)
        buffers.append(buffer)
    x, weight, grad = placed
    result = {"forward": 2, "input_grad": 0, "weight_grad": 1}[direction]
    order = weight_order if result == 1 else LAST
    out, buffer = guarded(placed[result].shape, order, dtype, gaps)
    before = [b.tobytes() for b in buffers]
    if direction == "forward":
        machine.forward(x, weight, out, problem, Epilogue(bias))
    elif direction == "input_grad":
        machine.input_grad(grad, weight, out, problem)
    else:
        machine.weight_grad(grad, x, out, problem)
    assert [b.tobytes() for b in buffers] == before, "an input has been changed"
    values = out.copy()
    out.view(f"u{out.itemsize}")[...] = 0xA5A5A5A5A5A5A5A5 & (2 ** (8 * out.itemsize) - 1)
    assert (buffer == 0xA5).all(), "something beside the result has been written"
    return values, (x, weight, bias, grad)


def check(direction, case, dtype="float32", **options):
    values, arrays = run(direction, case, dtype, **options)
    expected, magnitude = expect(case, direction, arrays)
    assert_close(values, expected, magnitude, "winograd", dtype)


def case_of(batch, channels, out_channels, size, kernel, padding, groups=1, seed=0):
    out = tuple(n + sum(p) - k + 1 for n, k, p in zip(size, kernel, padding, strict=True))
    return replace(
        PLAIN,
        batch=batch,
        groups=groups,
        group_in=channels,
        group_out=out_channels,
        size=size,
        kernel=kernel,
        padding=padding,
        out=out,
        seed=seed,
    )


@every_direction
@settings(max_examples=60)
@given(
    batch=st.integers(1, 5),
    channels=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=st.sampled_from([(3, 3), (3, 3), (3, 3), (2, 4), (5, 5), (1, 3)]),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
    weight_order=st.sampled_from([(0, 1, 2, 3), (2, 3, 1, 0), (1, 0, 2, 3), (3, 2, 1, 0)]),
    gaps=st.sampled_from([(0, 0, 0, 0), (0, 0, 0, 5), (1, 2, 3, 0)]),
    threads=st.integers(1, 2),
    dtype=st.sampled_from(["float32", "float64"]),
    order=st.sampled_from([None, 0, 1]),
)
def test_any_geometry(direction, batch, channels, size, kernel, padding, weight_order, gaps, threads, dtype, order):
    assume(all(n + sum(p) >= k for n, k, p in zip(size, kernel, padding, strict=True)))
    assume(batch * channels[0] * channels[1] * size[0] * size[1] < 2e6)
    case = case_of(batch, *channels, size, kernel, padding)
    with pytest.MonkeyPatch.context() as patch:
        if order is not None and direction != "weight_grad":
            patch.setattr(blocks, "by_channels", lambda *_: bool(order))
            blocks.prepare.cache_clear()
        check(direction, case, dtype, weight_order=weight_order, gaps=gaps, threads=threads)
    blocks.prepare.cache_clear()


@every_direction
@pytest.mark.parametrize("groups", [2, 5])
def test_groups(direction, groups):
    check(direction, case_of(2, 6, 9, (11, 12), (3, 3), ((1, 1), (0, 2)), groups))


@every_direction
@pytest.mark.parametrize("layer", [(8, 512, 7), (2, 256, 14), (1, 64, 56)], ids=str)
def test_deep_layers_are_exact_enough(direction, layer):
    """At most 2e-5 of the largest element, as direct sums would be held to 4e-6."""
    batch, channels, size = layer
    case = case_of(batch, channels, channels, (size, size), (3, 3), ((1, 1), (1, 1)))
    values, arrays = run(direction, case)
    expected, _ = expect(case, direction, arrays)
    assert np.abs(values - expected).max() <= 2e-5 * np.abs(expected).max()


@every_direction
def test_the_same_bits_every_time(direction):
    """One call after another, and several threads at a time, which share the pool or do without."""
    case = case_of(3, 70, 90, (17, 19), (3, 3), ((1, 1), (1, 1)))
    first = run(direction, case)[0].tobytes()
    assert all(run(direction, case)[0].tobytes() == first for _ in range(5))
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(run(direction, case)[0].tobytes() for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert set(found) == {first}


@every_direction
@pytest.mark.parametrize("memory", ["contiguous", "fortran", "reversed", "sliced", "unaligned", "broadcast"])
def test_arrays_of_any_memory(direction, memory):
    case = replace(case_of(2, 3, 5, (9, 8), (3, 3), ((1, 1), (1, 1))), memory=(memory,) * 3)
    x, weight, bias, grad = case.arrays("float32")
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    problem = ConvProblem(geometry, direction, np.dtype("float32"), False, 2)
    out = np.full(
        {"forward": grad, "input_grad": x, "weight_grad": weight}[direction].shape, np.nan, np.float32, order="F"
    )
    if direction == "forward":
        machine.forward(x, weight, out, problem, Epilogue(bias))
    elif direction == "input_grad":
        machine.input_grad(grad, weight, out, problem)
    else:
        machine.weight_grad(grad, x, out, problem)
    expected, magnitude = expect(case, direction, (x, weight, bias, grad))
    assert_close(out, expected, magnitude, "winograd", "float32")


@every_direction
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_workspace_is_what_the_cost_says(direction, channels_last, monkeypatch):
    case = case_of(2, 40, 70, (20, 20), (3, 3), ((1, 1), (1, 1)))
    taken = []

    def empty(shape, dtype):
        taken.append(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return np.empty(shape, dtype)

    monkeypatch.setattr(machine.runtime, "empty", empty)
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    problem = ConvProblem(geometry, direction, np.dtype("float32"), channels_last, 2)
    check(direction, case)
    copied = {"forward": (0,), "input_grad": (3,), "weight_grad": (0, 3)}[direction]
    copies = sum(case.arrays("float32")[i].nbytes for i in copied)
    stated = machine.cost(problem).workspace
    # The arrays here have their channels first, so they are copied. The order of a grad_output is never known for
    # sure, so its copy is stated in any case.
    unstated = 0 if not channels_last or direction == "input_grad" else case.arrays("float32")[0].nbytes
    assert sum(taken) - unstated <= stated <= sum(taken) + copies


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("memory", ["channels-last", "contiguous", None])
@pytest.mark.parametrize("activation", [None, "relu", "relu6"])
def test_what_follows_the_sum(scaled, memory, activation):
    case = case_of(2, 7, 37, (9, 13), (3, 3), ((1, 1), (1, 1)), groups=2)
    x, weight, bias, grad = case.arrays("float32")
    rng = np.random.default_rng(1)
    scale = rng.standard_normal(len(bias)).astype(np.float32) if scaled else None
    residual = arranged(rng.standard_normal(grad.shape).astype(np.float32), memory) if memory else None
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    problem = ConvProblem(geometry, "forward", np.dtype("float32"), True, 2)
    out = arranged(np.full(grad.shape, np.nan, np.float32), "channels-last")
    machine.forward(x, weight, out, problem, Epilogue(bias, scale, residual, activation))
    expected, magnitude = expect(case, "forward", (x, weight, None, grad))
    if scaled:
        expected *= scale[:, None, None]
    expected += bias[:, None, None] + (0 if residual is None else residual)
    if activation:
        expected = np.clip(expected, 0, 6 if activation == "relu6" else None)
    assert_close(out, expected, magnitude._replace(together=4 * magnitude.together), "winograd", "float32")


def test_it_refuses_what_it_cannot_do():
    line = ConvGeometry.forward((1, 2, 9), (3, 2, 3))
    assert "two axes, not 1" in machine.refusal(ConvProblem(line, "forward", np.dtype("float32"), True, 2))
    strided = ConvGeometry.forward((1, 2, 9, 9), (3, 2, 3, 3), stride=2)
    assert "stride 1" in machine.refusal(ConvProblem(strided, "forward", np.dtype("float32"), True, 2))


def test_it_is_registered():
    for direction in DIRECTIONS:
        assert backends.backends_of("conv/winograd", direction) == ("jit", "numpy")
        assert backends.find("conv/winograd", direction) is getattr(machine, direction)
