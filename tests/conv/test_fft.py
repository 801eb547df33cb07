"""The FFT algorithm in tiles and rounds of any size against the definition; the lengths it chooses and its memory."""

import tracemalloc
from dataclasses import replace
from itertools import count
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.conv.algorithms import fft
from sevenloops.conv.fft import choice
from sevenloops.conv.fft.plan import FftPlan
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.geometry import ConvGeometry
from tests.helpers import oracle
from tests.helpers.cases import Case, conv_cases
from tests.helpers.checks import DIRECTIONS, assert_close, expect

every_direction = pytest.mark.parametrize("direction", DIRECTIONS)

BASE = Case(
    batch=2,
    groups=1,
    group_in=5,
    group_out=7,
    size=(33, 48),
    kernel=(9, 6),
    out=(33, 48),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((4, 4), (2, 3)),
    has_bias=True,
    channels_last=False,
    memory=("contiguous",) * 3,
    seed=0,
)


def problem_of(case, direction, dtype, threads=1, max_workspace=None):
    geometry = ConvGeometry.forward(case.x_shape, case.weight_shape, **case.parameters)
    return ConvProblem(geometry, direction, np.dtype(dtype), False, threads, max_workspace)


def run(problem, arrays):
    """Call the kernel with a result that lies in memory as no other array does, full of NaN."""
    x, weight, bias, grad = arrays
    shape = {"forward": grad, "input_grad": x, "weight_grad": weight}[problem.direction].shape
    out = np.full((*shape[:0:-1], 2 * shape[0]), np.nan, problem.dtype).T[::2]
    if problem.direction == "forward":
        fft.forward(x, weight, out, problem, Epilogue(bias))
    elif problem.direction == "input_grad":
        fft.input_grad(grad, weight, out, problem)
    else:
        fft.weight_grad(grad, x, out, problem)
    return out


def planned(outputs, longer, at_once, workers):
    """Stand in for `make_plan`: no search, these sizes."""

    def make_plan(problem):
        g = problem.geometry
        sizes = [min(q, out) for q, out in zip(outputs, g.output_size)]
        lengths = [(q - 1) * s + e + more for q, s, e, more in zip(sizes, g.stride, g.effective_kernel, longer)]
        plan = FftPlan(problem, tuple(sizes), tuple(lengths), at_once, workers)
        return replace(plan, at_once=min(at_once, plan.tile_count))

    return make_plan


@every_direction
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60)
@given(
    case=st.one_of(conv_cases(), conv_cases(dense=True)),
    outputs=st.tuples(*[st.integers(1, 12)] * 3),
    longer=st.tuples(*[st.integers(0, 3)] * 3),
    at_once=st.integers(1, 9),
    workers=st.integers(1, 3),
)
def test_any_tiles_and_rounds(direction, dtype, case, outputs, longer, at_once, workers):
    if case.batch == 0:
        return
    case = replace(case.contiguous(), memory=case.memory)
    arrays = [None if a is None else a.astype(dtype, copy=False) for a in case.arrays(dtype)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fft, "make_plan", planned(outputs, longer, at_once, workers))
        result = run(problem_of(case, direction, dtype), arrays)
    expected, magnitude = expect(case, direction, arrays)
    assert_close(result, expected, magnitude, "fft", dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_output_shorter_than_the_input_allows(dtype):
    """The output_padding of a transposed convolution: positions at the end that no window reaches."""
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((2, 4, 5, 6)).astype(dtype), rng.standard_normal((4, 3, 5, 4)).astype(dtype)
    parameters = {"stride": (3, 2), "padding": (1, 0), "output_padding": (2, 1), "dilation": (1, 2)}
    result = sl.conv_transpose2d(x, weight, algorithm="fft", **parameters)
    expected = oracle.transposed(x, weight, groups=1, **{**parameters, "padding": ((1, 1), (0, 0))})
    assert result.dtype == dtype
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < (1e-5 if dtype == "float32" else 1e-13)


@every_direction
def test_depthwise(direction):
    """Without sums over channels the products are taken element by element."""
    case = replace(BASE, groups=6, group_in=1, group_out=1)
    for dtype in ("float32", "float64"):
        arrays = case.arrays(dtype)
        expected, magnitude = expect(case, direction, arrays)
        assert_close(run(problem_of(case, direction, dtype), arrays), expected, magnitude, "fft", dtype)


def test_tiles_of_an_image_are_added_by_one_worker(monkeypatch):
    """No two units of a call write to one place."""
    calls = []

    def recorded(work, units, workers):
        calls.append(list(units))
        for unit in units:
            work(unit, workers[0])

    monkeypatch.setattr(fft, "spread", recorded)
    monkeypatch.setattr(fft, "make_plan", planned((8, 9), (0, 0), 7, 2))
    problem = problem_of(replace(BASE, batch=3), "input_grad", "float64")
    run(problem, replace(BASE, batch=3).arrays("float64"))
    adding = [units for units in calls if isinstance(units[0], tuple) and isinstance(units[0][0], list)]
    assert len(adding) > 1
    for units in adding:
        written = np.zeros((3, BASE.group_in), int)
        for same_images, channels in units:
            assert len({(tile.images.start, tile.images.stop) for tile in same_images}) == 1
            written[same_images[0].images, channels] += 1
        assert written.max() == 1


# --- the choice ---------------------------------------------------------------------------------------------------


def test_fast_length():
    def is_fast(n):
        for factor in (2, 3, 5):
            while n % factor == 0:
                n //= factor
        return n == 1

    for least in (*range(1, 400), 1025, 4097, 99_999):
        assert choice.fast_length(least) == next(n for n in count(least) if is_fast(n))


@every_direction
def test_tiles_are_larger_for_larger_kernels(direction):
    def plan(kernel):
        size = (200 + kernel - 1,) * 2
        case = replace(BASE, size=size, kernel=(kernel,) * 2, out=(200, 200), padding=((0, 0),) * 2)
        return choice.make_plan(problem_of(case, direction, "float32"))

    assert max(plan(5).lengths) < min(plan(41).lengths)
    for kernel in (5, 17, 41):
        chosen = plan(kernel)
        assert all(choice.fast_length(n) == n for n in chosen.lengths)
        assert all(n >= reach for n, reach in zip(chosen.lengths, chosen.reach, strict=True))


def test_the_time_hardly_depends_on_the_kernel():
    def seconds(kernel):
        padding = ((kernel // 2,) * 2,) * 2
        case = replace(BASE, size=(128, 128), kernel=(kernel,) * 2, out=(128, 128), padding=padding)
        return fft.cost(problem_of(case, "forward", "float32")).seconds

    assert seconds(31) < 3 * seconds(7)


# --- memory -------------------------------------------------------------------------------------------------------

CASES = {
    "2d": BASE,
    "1d": replace(
        BASE, size=(1000,), kernel=(40,), out=(481,), padding=((0, 0),), stride=(2,), dilation=(1,), group_in=3
    ),
    "3d": replace(
        BASE,
        size=(12, 13, 14),
        kernel=(3, 5, 3),
        out=(12, 13, 12),
        padding=((1, 1), (2, 2), (1, 1)),
        stride=(1,) * 3,
        dilation=(1, 1, 2),
    ),
    "groups": replace(BASE, groups=3),
    "depthwise": replace(BASE, groups=9, group_in=1, group_out=1),
    "many channels": replace(BASE, group_in=40, group_out=30),
}

#: NumPy's own, where arrays in different orders meet: three operands of 8192 complex elements in each thread.
BUFFERS = 2 * 3 * 8192 * 8 + 40_000


@every_direction
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [1, 3])
def test_workspace_is_what_is_stated_and_within_the_bound(direction, name, share):
    case = CASES[name]
    free = problem_of(case, direction, "float32", threads=2)
    bound = fft.cost(free).workspace // share
    problem = replace(free, max_workspace=bound)
    stated = fft.cost(problem).workspace
    if share == 1:
        assert fft.cost(problem) == fft.cost(free)
    if stated > bound:  # refused, but it was the least there is: little more than the weights
        plan = choice.make_plan(problem)
        assert plan.at_once == plan.workers == 1
        return
    arrays = case.arrays("float32")
    run(problem, arrays)
    out_bytes = 2 * run(problem, arrays).nbytes
    tracemalloc.start()
    try:
        result = run(problem, arrays)
        used = tracemalloc.get_traced_memory()[1] - out_bytes
    finally:
        tracemalloc.stop()
    assert 0.95 * stated <= used <= stated + BUFFERS
    expected, magnitude = expect(case, direction, arrays)
    assert_close(result, expected, magnitude, "fft", "float32")


def test_it_refuses_what_is_a_product_of_matrices():
    x, weight = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 1, 1), np.float32)
    with pytest.raises(sl.errors.UnsupportedGeometryError, match="kernel of one tap is a matrix product"):
        sl.conv2d(x, weight, algorithm="fft")
    assert sl.conv2d(x, np.ones((3, 2, 1, 2), np.float32), algorithm="fft").shape == (1, 3, 4, 3)
    assert prod(weight.shape[2:]) == 1
