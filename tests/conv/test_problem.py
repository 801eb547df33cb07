from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import backends
from sevenloops.conv import registry
from sevenloops.conv.problem import DIRECTIONS, Epilogue
from tests.helpers.ladder import make_problem


def test_directions():
    assert DIRECTIONS == ("forward", "input_grad", "weight_grad")


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_itemsize(dtype, size):
    assert make_problem(dtype=dtype).itemsize == size


def test_what_is_prepared_belongs_to_one_problem():
    """What was worked out for other sizes or threads would write outside the arrays."""
    problem = make_problem()
    problem.prepared["a call"] = "for these sizes"
    for changed in (
        {"threads": 4},
        {"geometry": make_problem((9, 3, 9, 8)).geometry},
        {"dtype": np.dtype("float64")},
    ):
        assert replace(problem, **changed).prepared == {}


@pytest.mark.skipif("jit" not in backends.usable(), reason="without llvmlite there is no machine code")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_algorithms_may_share_a_problem(direction):
    rng = np.random.default_rng(0)
    problem = make_problem((2, 16, 12, 12), (8, 16, 3, 3), direction=direction, usable=("jit",), padding=1)
    x, weight, grad = (
        rng.standard_normal(s, dtype=np.float32) for s in ((2, 16, 12, 12), (8, 16, 3, 3), (2, 8, 12, 12))
    )
    first, second = {"forward": (x, weight), "input_grad": (grad, weight), "weight_grad": (grad, x)}[direction]
    results = []
    for name in ("direct", "winograd", "direct"):
        out = np.empty({"forward": grad, "input_grad": x, "weight_grad": weight}[direction].shape, np.float32)
        if direction != "weight_grad":
            out = np.moveaxis(np.empty((2, 12, 12, out.shape[1]), np.float32), -1, 1)
        epilogue = (Epilogue(),) if direction == "forward" else ()
        registry.kernel(name, direction, "jit")(first, second, out, problem, *epilogue)
        results.append(out)
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-3, atol=1e-3)


@given(
    channel_axis=st.integers(0, 3),
    shape=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    start=st.integers(0, 3),
)
def test_the_epilogue_adds_each_channel_its_bias(channel_axis, shape, start):
    count = shape[channel_axis]
    bias = np.arange(10.0, 10.0 + start + count + 2)
    block = np.arange(float(prod(shape))).reshape(shape)
    expected = block.copy()
    for index in np.ndindex(*shape):
        expected[index] += bias[start + index[channel_axis]]
    Epilogue(bias).apply(block, channel_axis, slice(start, start + count))
    np.testing.assert_array_equal(block, expected)


def test_without_a_bias_the_block_stays():
    block = np.ones((2, 3, 4))
    Epilogue().apply(block, 1)
    assert (block == 1).all()
