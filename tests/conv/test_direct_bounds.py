"""The workspace that direct states bounds what its calls allocate for arrays of any strides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenloops import runtime
from sevenloops.conv.problem import DIRECTIONS, Epilogue
from tests.helpers.cases import MEMORIES, arranged, conv_cases
from tests.helpers.ladder import make_problem

pytest.importorskip("llvmlite")

from sevenloops.conv.direct import machine

MEMORY = st.sampled_from([memory for memory in MEMORIES if memory != "other byte order"])


def used(problem, arrays):
    """Return the bytes of everything that the kernel allocates, from the one allocator or by copying an array."""
    sizes = []
    empty = runtime.empty

    def counted(shape, dtype):
        sizes.append(empty(shape, dtype).nbytes)
        return empty(shape, dtype)

    x, weight, bias, grad = arrays
    g = problem.geometry
    last = {"forward": g.out_shape, "input_grad": g.x_shape, "weight_grad": None}[problem.direction]
    out = np.empty(g.weight_shape, problem.dtype)
    if last:
        out = np.moveaxis(np.empty((last[0], *last[2:], last[1]), problem.dtype), -1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "empty", counted)
        if problem.direction == "forward":
            machine.forward(x, weight, out, problem, Epilogue(bias))
            return sum(sizes) + (0 if bias is None or bias.flags.c_contiguous else bias.nbytes)
        if problem.direction == "input_grad":
            machine.input_grad(grad, weight, out, problem)
            together = g.is_whole and weight.flags.c_contiguous  # or phase by phase
            return sum(sizes) if together else max(sizes, default=0)
        machine.weight_grad(grad, x, out, problem)
        return sum(sizes)


@pytest.mark.parametrize("direction", DIRECTIONS)
@settings(max_examples=250)
@given(
    case=conv_cases(),
    widths=st.tuples(st.sampled_from([1, 2, 5, 9, 17, 40]), st.sampled_from([1, 2, 5, 9, 17, 40])),
    memories=st.tuples(MEMORY, MEMORY, MEMORY),
    channels_last=st.booleans(),
    threads=st.integers(1, 3),
    whole=st.sampled_from([False, False, False, True]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_stated_workspace_is_a_bound(direction, case, widths, memories, channels_last, threads, whole, dtype):
    if case.axes == 3 or case.batch == 0:
        return
    if whole:  # one window without padding
        case = replace(
            case, size=case.kernel, dilation=(1,) * case.axes, padding=((0, 0),) * case.axes, out=(1,) * case.axes
        )
    shapes = (
        (case.batch, case.groups * widths[0], *case.size),
        (case.groups * widths[1], widths[0], *case.kernel),
        (case.batch, case.groups * widths[1], *case.out),
    )
    x, weight, grad = (
        arranged(np.zeros(shape, dtype), memory) if memory != "unaligned" else np.zeros(shape, dtype)
        for shape, memory in zip(shapes, memories)
    )
    bias = np.zeros(2 * shapes[1][0], dtype)[::2]
    problem = make_problem(
        shapes[0],
        shapes[1],
        direction=direction,
        dtype=dtype,
        threads=threads,
        channels_last=channels_last,
        usable=("jit",),
        **case.parameters,
    )
    assert used(problem, (x, weight, bias, grad)) <= machine.cost(problem).workspace


def test_strides_along_axes_of_one_entry_cost_no_copy():
    """They lead nowhere, so they need not be whole numbers of elements."""
    raw = np.zeros(5 * 5 * 8 * 4, np.uint8).view(np.float32)
    x = np.lib.stride_tricks.as_strided(raw, (1, 8, 5, 5), (3, 4, 160, 32))
    assert machine._addressable(x) is x
    half = np.lib.stride_tricks.as_strided(raw, (2, 8, 5, 4), (3, 4, 160, 32))
    assert machine._addressable(half) is not half
