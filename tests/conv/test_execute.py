"""From arrays to a kernel and back: memory order, dtypes, nothing to compute."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops import backends, runtime
from sevenloops.conv import execute
from sevenloops.conv.problem import DIRECTIONS, Epilogue
from sevenloops.conv.select import select
from sevenloops.errors import UnsupportedGeometryError
from tests.helpers.ladder import changed_ladder, make_problem, rung
from tests.helpers.threads import Library, own_blas

SHAPES = {  # of the input and the weight
    1: ((2, 6, 9), (4, 3, 3)),
    2: ((2, 6, 7, 9), (4, 3, 3, 2)),
    3: ((2, 6, 5, 4, 7), (4, 3, 2, 3, 1)),
}


def order_of_axes(array):
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def last_order(ndim):
    return [0, *range(2, ndim), 1]


def arrays_for(problem, dtype):
    """Return x, weight, bias and the output's gradient."""
    rng = np.random.default_rng(3)
    g = problem.geometry
    shapes = (g.x_shape, g.weight_shape, (g.out_channels,), g.out_shape)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def run(problem, algorithm, x, weight, bias, grad):
    """Run one pass; plans are made for the dtype of the computation."""
    plan = select(problem, algorithm)
    if problem.direction == "forward":
        return execute.forward(x, weight, Epilogue(bias), plan)
    if problem.direction == "input_grad":
        return execute.input_grad(grad, weight, plan)
    return execute.weight_grad(grad, x, plan, np.full(problem.geometry.weight_shape, np.nan, x.dtype))


# --- the problem and the plan -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "computed"), [("float16", "float32"), ("float32", "float32"), ("float64", "float64")]
)
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_plan_is_made_for_all_that_matters(direction, channels_last, dtype, computed):
    geometry = make_problem().geometry
    before = sl.get_num_threads()
    try:
        for threads in (1, 3):
            sl.set_num_threads(threads)
            plan = execute.plan(geometry, direction, np.dtype(dtype), channels_last, "im2col", 10**6)
            assert replace(plan.problem, max_workspace=None) == make_problem(
                direction=direction,
                dtype=computed,
                channels_last=channels_last,
                threads=threads,
                usable=backends.usable(),
            )
            assert plan.requested == "im2col"
    finally:
        sl.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bound", [None, 0, 12345])
def test_the_bound_is_the_kernels(dtype, bound):
    plan = execute.plan(make_problem().geometry, "forward", np.dtype(dtype), False, "auto", bound)
    assert plan.problem.max_workspace == bound


def test_copies_in_float32_are_part_of_the_workspace():
    geometry = make_problem((2, 6, 7, 9), (4, 3, 3, 2), groups=2).geometry
    copies = 4 * (2 * 6 * 7 * 9 + 4 * 3 * 3 * 2 + 4 + 2 * 4 * 5 * 8)
    half = np.dtype(np.float16)
    assert execute.plan(geometry, "forward", half, False, "auto", None).problem.max_workspace is None
    plan = execute.plan(geometry, "forward", half, False, "auto", copies + 321)
    assert plan.problem.max_workspace == 321
    assert execute.plan(geometry, "forward", half, False, "auto", copies).algorithm == "loops"
    message = f"float32 take {copies:,} bytes and max_workspace is {copies - 1:,} bytes; allow more"
    for algorithm in ("auto", "loops"):
        with pytest.raises(UnsupportedGeometryError, match=re.escape(message)):
            execute.plan(geometry, "forward", half, False, algorithm, copies - 1)


# --- memory of the results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("direction", ["forward", "input_grad"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_results_have_the_memory_order_of_the_problem(axes, direction, channels_last, dtype):
    problem = make_problem(*SHAPES[axes], groups=2, direction=direction, channels_last=channels_last)
    result = run(problem, "im2col", *arrays_for(problem, dtype))
    assert result.dtype == dtype
    assert order_of_axes(result) == (last_order(axes + 2) if channels_last else list(range(axes + 2)))
    assert np.moveaxis(result, 1, -1).flags.c_contiguous == channels_last
    assert result.flags.c_contiguous != channels_last


def test_results_come_from_the_one_allocator(monkeypatch):
    """So a test that fills new memory with NaN sees all of it."""
    allocated = []

    def empty(shape, dtype):
        allocated.append(np.full(shape, np.nan, dtype))
        return allocated[-1]

    def kernel(first, second, out, problem, *epilogue):
        assert np.isnan(out).all()
        assert np.shares_memory(out, allocated[-1])
        out[...] = 1

    monkeypatch.setattr(runtime, "empty", empty)
    for direction in DIRECTIONS:
        for channels_last in (True, False):
            problem = make_problem(*SHAPES[2], groups=2, direction=direction, channels_last=channels_last)
            with changed_ladder(rung("new", **{direction: kernel})):
                assert (run(problem, "new", *arrays_for(problem, "float16")) == 1).all()
    assert len(allocated) == 6


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_weights_gradient_is_written_where_it_is_wanted(dtype):
    problem = make_problem(*SHAPES[2], groups=2, direction="weight_grad")
    x, _, _, grad = arrays_for(problem, dtype)
    plan = select(problem, "im2col")
    expected = execute.weight_grad(grad, x, plan, np.empty(problem.geometry.weight_shape, dtype))
    room = np.zeros((3, 2, 6, 8), dtype)
    out = room[:, :, ::2, 7:3:-1].transpose(3, 2, 0, 1)
    assert execute.weight_grad(grad, x, plan, out) is out
    np.testing.assert_array_equal(out, expected)
    assert not room[:, :, 1::2].any()
    assert not room[..., :4].any()


# --- float16 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_float16_is_computed_in_float32(direction, channels_last):
    """So it is the result in float32, rounded once."""
    problem = make_problem(*SHAPES[2], groups=2, direction=direction, channels_last=channels_last)
    half = arrays_for(problem, "float16")
    single = [array.astype(np.float32) for array in half]
    for algorithm in ("im2col", "loops"):
        result = run(problem, algorithm, *half)
        assert result.dtype == np.float16
        np.testing.assert_array_equal(result, run(problem, algorithm, *single).astype(np.float16))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_kernels_get_one_dtype_and_only_what_must_be_is_copied(direction, dtype):
    problem = make_problem(
        *SHAPES[2], groups=2, direction=direction, dtype="float64" if dtype == "float64" else "float32"
    )
    x, weight, bias, grad = arrays_for(problem, dtype)
    given = {"forward": (x, weight), "input_grad": (grad, weight), "weight_grad": (grad, x)}[direction]
    seen = []

    def kernel(first, second, out, told, *epilogue):
        seen.append(told)
        for array, original in zip((first, second), given, strict=True):
            assert array.dtype == problem.dtype
            assert (array is original) == (dtype != "float16")
            np.testing.assert_array_equal(array, original)
        assert out.dtype == problem.dtype
        if epilogue:
            assert epilogue[0].bias.dtype == problem.dtype
            np.testing.assert_array_equal(epilogue[0].bias, bias)
        out[...] = 2

    with changed_ladder(rung("new", **{direction: kernel})):
        result = run(problem, "new", x, weight, bias, grad)
    assert seen == [problem]
    assert (result == 2).all()
    assert result.dtype == dtype


def test_the_bias_of_a_transposed_convolution_is_added_before_rounding():
    problem = make_problem(direction="input_grad")
    _, weight, _, grad = arrays_for(problem, "float16")
    channels = problem.geometry.in_channels

    def kernel(grad_output, weight, out, problem):
        out[...] = 2049

    bias = np.arange(1, channels + 1, dtype=np.float16) / 2
    with changed_ladder(rung("new", input_grad=kernel)):
        result = execute.input_grad(grad, weight, select(problem, "new"), bias)
    assert result.dtype == np.float16
    for channel in range(channels):
        assert (result[:, channel] == np.float16(2049 + (channel + 1) / 2)).all()


def test_kernels_run_with_blas_held():
    library = Library(8)
    seen = []

    def kernel(first, second, out, problem, *epilogue):
        seen.append(library.threads)
        out[...] = 0

    with changed_ladder(rung("new", forward=kernel, input_grad=kernel, weight_grad=kernel)), own_blas(library):
        for direction in DIRECTIONS:
            problem = make_problem(direction=direction)
            run(problem, "new", *arrays_for(problem, "float32"))
    assert seen == [1, 1, 1]
    assert library.threads == 8


def test_no_bias_is_no_bias():
    problem = make_problem()
    x, weight, _, _ = arrays_for(problem, "float32")

    def kernel(x, weight, out, problem, epilogue):
        assert epilogue == Epilogue(None)
        out[...] = 2
        epilogue.apply(out, 1)

    with changed_ladder(rung("new", forward=kernel)):
        assert (execute.forward(x, weight, Epilogue(), select(problem, "new")) == 2).all()


# --- no images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_without_images_no_kernel_runs(axes, channels_last, dtype):
    (_, *x_shape), weight_shape = SHAPES[axes]
    with changed_ladder(rung("new")):
        for direction in DIRECTIONS:
            problem = make_problem(
                (0, *x_shape),
                weight_shape,
                groups=2,
                direction=direction,
                channels_last=channels_last,
                dtype="float64",
            )
            if dtype == "float16":
                problem = replace(problem, dtype=np.dtype(np.float32))
            result = run(problem, "new", *arrays_for(problem, dtype))
            g = problem.geometry
            assert (
                result.shape
                == {
                    "forward": g.out_shape,
                    "input_grad": g.x_shape,
                    "weight_grad": g.weight_shape,
                }[direction]
            )
            assert result.dtype == dtype
            assert not result.any()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_without_images_every_algorithm_has_a_cost(direction):
    geometry = make_problem((0, 6, 9, 9), (4, 6, 3, 3), padding=1).geometry
    plan = execute.plan(geometry, direction, np.dtype(np.float32), False, "auto", None)
    assert plan.problem.geometry is geometry
    assert sorted(candidate.name for candidate in plan.candidates) == sorted(sl.algorithms())
    assert all(0 < candidate.cost.seconds < 1 for candidate in plan.candidates if not candidate.refusal)


# --- the bias's gradient ------------------------------------------------------------------------------------------


@given(
    axes=st.integers(1, 3),
    batch=st.integers(0, 3),
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_the_bias_gets_the_sum_of_each_channel(axes, batch, channels, dtype, seed):
    shape = (batch, channels, *(2 + axis for axis in range(axes)))
    grad = np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)
    expected = [
        sum(float(grad[n, c][i]) for n in range(batch) for i in np.ndindex(shape[2:])) for c in range(channels)
    ]
    for array in (grad, np.moveaxis(np.ascontiguousarray(np.moveaxis(grad, 1, -1)), -1, 1)[..., ::-1]):
        result = execute.bias_grad(array)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)  # small integers have no rounding


@pytest.mark.parametrize("shape", [(3, 60, 60, 2), (3600, 1, 3, 2), (1, 3600, 3, 2)])
def test_float16_sums_do_not_stall(shape):
    """From 2048 on, float16 plus 1 is what it was."""
    ones = np.ones(shape, np.float16)
    for grad in (ones.transpose(0, 3, 1, 2), np.ascontiguousarray(ones.transpose(0, 3, 1, 2))):
        np.testing.assert_array_equal(execute.bias_grad(grad), np.array([10800, 10800], np.float16))
