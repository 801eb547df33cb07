"""Winograd's algorithm in tiles, boxes and slices of any size against the definition; its memory and its refusals."""

import tracemalloc
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.conv.algorithms import winograd
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.winograd import choice
from sevenloops.geometry import ConvGeometry
from tests.helpers.cases import Case, conv_cases
from tests.helpers.checks import DIRECTIONS, assert_close, expect

every_direction = pytest.mark.parametrize("direction", DIRECTIONS)

BASE = Case(
    batch=2,
    groups=1,
    group_in=5,
    group_out=7,
    size=(13, 18),
    kernel=(3, 3),
    out=(13, 18),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((1, 1), (1, 1)),
    has_bias=True,
    channels_last=False,
    memory=("contiguous",) * 3,
    seed=0,
)


def problem_of(case, direction, dtype, channels_last=False, threads=1, max_workspace=None):
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    return ConvProblem(geometry, direction, np.dtype(dtype), channels_last, threads, max_workspace)


def run(problem, arrays):
    """Call the kernel with a result that lies in memory as no other array does, full of NaN."""
    x, weight, bias, grad = arrays
    shape = {"forward": grad, "input_grad": x, "weight_grad": weight}[problem.direction].shape
    out = np.full((*shape[:0:-1], 2 * shape[0]), np.nan, problem.dtype).T[::2]
    if problem.direction == "forward":
        winograd.forward(x, weight, out, problem, Epilogue(bias))
    elif problem.direction == "input_grad":
        winograd.input_grad(grad, weight, out, problem)
    else:
        winograd.weight_grad(grad, x, out, problem)
    return out


def planned(m, target, workers, slices):
    """Stand in for `make_plan`: no search, these sizes."""

    def make_plan(problem):
        each = tuple(1 if kernel == 1 else step for kernel, step in zip(problem.geometry.kernel_size, m))
        return choice._plan(problem, each, target, workers, slices)

    return make_plan


@every_direction
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60)
@given(
    case=conv_cases(dense=True),
    m=st.tuples(*[st.sampled_from([2, 4])] * 3),
    target=st.integers(1, 40),
    workers=st.integers(1, 3),
    slices=st.integers(1, 3),
    channels_last=st.booleans(),
)
def test_any_boxes(direction, dtype, case, m, target, workers, slices, channels_last):
    assume(case.batch and max(case.kernel) in range(2, 6))
    case = replace(case.contiguous(), memory=case.memory)
    arrays = [None if a is None else a.astype(dtype, copy=False) for a in case.arrays(dtype)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "make_plan", planned(m, target, workers, slices))
        result = run(problem_of(case, direction, dtype, channels_last), arrays)
    expected, magnitude = expect(case, direction, arrays)
    assert_close(result, expected, magnitude, "winograd", dtype)


@every_direction
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("remainder", range(5))
def test_every_remainder_of_a_tile(direction, kernel, remainder):
    size = (8 + remainder, 4 + (remainder + 2) % 5)
    padding = ((kernel - 1, 0), (1, kernel))
    out = tuple(n + sum(p) - kernel + 1 for n, p in zip(size, padding, strict=True))
    case = replace(BASE, size=size, kernel=(kernel, kernel), out=out, padding=padding)
    arrays = case.arrays("float64")
    for m in ((2, 4), (4, 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(winograd, "make_plan", planned(m, 3, 2, 1))
            result = run(problem_of(case, direction, "float64"), arrays)
        expected, magnitude = expect(case, direction, arrays)
        assert_close(result, expected, magnitude, "winograd", "float64")


@every_direction
def test_channels_far_apart_in_powers_of_two(direction):
    """They are read in another order: through a copy."""
    case = replace(BASE, group_in=20, group_out=24, size=(32, 32), out=(32, 32))
    problem = problem_of(case, direction, "float32")
    plan = choice.make_plan(problem)
    assert plan.input_stages == plan.grad_stages == 1
    assert choice.make_plan(replace(problem, channels_last=True)).input_stages == 0
    arrays = case.arrays("float32")
    expected, magnitude = expect(case, direction, arrays)
    assert_close(run(problem, arrays), expected, magnitude, "winograd", "float32")


def test_boxes_worked_on_together_add_to_different_inputs(monkeypatch):
    """Whatever else is spread over the threads, too: no two units of a call write to one place."""
    calls = []

    def recorded(work, units, workers):
        calls.append(list(units))
        for unit in units:
            work(unit, workers[0])

    monkeypatch.setattr(winograd, "spread", recorded)
    monkeypatch.setattr(winograd, "make_plan", planned((2, 4), 5, 2, 2))
    case = replace(BASE, kernel=(5, 5), out=(13, 18), padding=((2, 2), (2, 2)))
    problem = problem_of(case, "input_grad", "float64")
    run(problem, case.arrays("float64"))
    m, t = (2, 4), (6, 8)
    boxes = [units for units in calls if units and hasattr(units[0][0], "tiles")]
    assert sum(map(len, boxes)) > len(boxes) > 1
    for units in boxes:
        written = np.zeros((case.batch, case.group_in, 40, 40), int)
        for box, channels in units:
            reach = (slice(p.start * a, (p.stop - 1) * a + b) for p, a, b in zip(box.tiles, m, t, strict=True))
            written[(box.images, channels, *reach)] += 1
        assert written.max() == 1


# --- the choice ---------------------------------------------------------------------------------------------------


def test_tiles_suit_the_output():
    def tiles(size, direction="forward"):
        case = replace(BASE, batch=8, group_in=64, group_out=64, size=(size, size), out=(size, size))
        return choice.make_plan(problem_of(case, direction, "float32")).tiling.m

    for direction in DIRECTIONS:
        assert tiles(56, direction) == (4, 4)
        assert tiles(2, direction) == (2, 2)


def test_it_saves_multiplications():
    case = replace(BASE, batch=4, group_in=256, group_out=256, size=(56, 56), out=(56, 56))
    for direction in DIRECTIONS:
        problem = problem_of(case, direction, "float32")
        assert winograd.cost(problem).flops < 0.3 * problem.geometry.flops


def test_few_tiles_are_shared_out_by_channels():
    """Every worker gets something to do if there are enough channels."""
    case = replace(BASE, batch=1, group_in=256, group_out=256, size=(8, 8), out=(8, 8))
    plan = choice.make_plan(problem_of(case, "forward", "float32", threads=2))
    assert plan.workers == 1 or len(plan.units) >= 2


# --- memory -------------------------------------------------------------------------------------------------------

LARGE = replace(BASE, group_in=24, group_out=40, size=(60, 70), out=(60, 70))
VOLUME = replace(
    BASE,
    size=(12, 13, 14),
    kernel=(3, 2, 3),
    out=(12, 12, 14),
    padding=((1, 1), (0, 0), (1, 1)),
    stride=(1,) * 3,
    dilation=(1,) * 3,
)
LINE = replace(BASE, group_in=30, size=(800,), kernel=(5,), out=(796,), padding=((0, 0),), stride=(1,), dilation=(1,))


#: NumPy's own, where arrays in different orders meet: three operands of 8192 elements in each thread.
BUFFERS = 2 * 3 * 8192 * 4 + 20_000


def allocated(problem, arrays):
    """Return the result and the peak of what the kernel allocates."""
    run(problem, arrays)
    out_bytes = 2 * run(problem, arrays).nbytes
    tracemalloc.start()
    try:
        result = run(problem, arrays)
        return result, tracemalloc.get_traced_memory()[1] - out_bytes
    finally:
        tracemalloc.stop()


@every_direction
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", [LARGE, VOLUME, LINE, replace(LARGE, groups=4)], ids=["2d", "3d", "1d", "groups"])
@pytest.mark.parametrize("share", [1, 3, 30])
def test_workspace_is_what_is_stated_and_within_the_bound(direction, case, share, channels_last):
    free = problem_of(case, direction, "float32", channels_last, threads=2)
    bound = winograd.cost(free).workspace // share
    problem = replace(free, max_workspace=bound)
    stated = winograd.cost(problem).workspace
    if share == 1:
        assert winograd.cost(problem) == winograd.cost(free)
    arrays = case.arrays("float32")
    if stated > bound:  # refused, but it was the least there is: little more than the weights
        kernels = choice.make_plan(problem).tiling.products * prod(case.weight_shape[:2]) * 4
        assert stated < 1.25 * kernels + 100_000
        return
    result, used = allocated(problem, arrays)
    assert 0.97 * stated <= used <= stated + BUFFERS
    expected, magnitude = expect(case, direction, arrays)
    assert_close(result, expected, magnitude, "winograd", "float32")


# --- refusals -----------------------------------------------------------------------------------------------------


@every_direction
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stride": (1, 2), "out": (13, 9)}, r"stride 1, but the stride is \(1, 2\)"),
        ({"dilation": (2, 1), "out": (11, 18)}, r"dilation 1, but the dilation is \(2, 1\)"),
        ({"kernel": (1, 1), "out": (15, 20)}, r"2 to 5 taps along an axis, but kernel_size is \(1, 1\)"),
        ({"kernel": (3, 6), "out": (13, 15)}, r"2 to 5 taps along an axis, but kernel_size is \(3, 6\)"),
    ],
)
def test_what_it_refuses_and_why(direction, changes, reason):
    case = replace(BASE, **changes)
    x, weight, _, grad = case.arrays("float32")
    calls = {
        "forward": lambda: sl.conv2d(x, weight, algorithm="winograd", **case.parameters),
        "input_grad": lambda: sl.conv2d_input_grad(grad, weight, x.shape, algorithm="winograd", **case.parameters),
        "weight_grad": lambda: sl.conv2d_weight_grad(grad, x, case.kernel, algorithm="winograd", **case.parameters),
    }
    with pytest.raises(sl.errors.UnsupportedGeometryError, match=reason):
        calls[direction]()


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": (1, 3), "out": (15, 18)},
        {"kernel": (1, 5), "out": (15, 16), "dilation": (4, 1)},
        {"size": (1, 18), "out": (1, 18), "stride": (3, 1)},
    ],
    ids=["one tap on one axis", "a dilation of one tap", "a stride of one window"],
)
@every_direction
def test_what_it_does_not_refuse(direction, changes):
    case = replace(BASE, **changes)
    problem = problem_of(case, direction, "float64")
    assert winograd.refusal(problem) is None
    arrays = case.arrays("float64")
    expected, magnitude = expect(case, direction, arrays)
    assert_close(run(problem, arrays), expected, magnitude, "winograd", "float64")
