"""Arrays that reach beyond 2^31 elements and 2^32 bytes: places are 64-bit integers everywhere.

The arrays lie in memory that is reserved and hardly used: a few pages, far apart.
"""

import mmap

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.conv.problem import Epilogue
from tests.helpers.ladder import make_problem

pytest.importorskip("llvmlite")

from sevenloops.conv.direct import machine
from sevenloops.jit.planning import linear

FAR = 2**31 + 5  # elements
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def far_memory():
    """Reserve 16 GiB and a bit, as float32; nothing of it is there before it is written."""
    size = 4 * (2 * FAR + 100_000)
    try:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        memory = mmap.mmap(-1, size, flags=flags)
    except (AttributeError, OSError, OverflowError, ValueError) as error:
        pytest.skip(f"so much memory cannot be reserved: {error}")
    return np.frombuffer(memory, np.float32)


def apart(memory, values, axis, direction=1, last=False):
    """Return an array of those values of which one axis takes steps of FAR elements."""
    order = [0, *range(2, values.ndim), 1] if last else range(values.ndim)
    strides, step = [0] * values.ndim, 1
    for other in reversed([other for other in order if other != axis]):
        strides[other] = 4 * step
        step *= values.shape[other]
    strides[axis] = 4 * FAR
    view = np.lib.stride_tricks.as_strided(memory, values.shape, strides)
    if direction < 0:
        view = np.flip(view, axis)
    view[...] = values
    return view


def layer(padding):
    """Return x, weight and the output's gradient; no axis has more than three entries."""
    size, out = ((3, 3), (2, 2)) if padding == 0 else ((2, 2), (3, 3))
    return [RNG.standard_normal(shape, dtype=np.float32) for shape in ((2, 3, *size), (3, 3, 2, 2), (2, 3, *out))]


def passes(x, w, grad, padding):
    options = {"padding": padding, "algorithm": "direct"}
    return [
        sl.conv2d(x, w, **options),
        sl.conv2d_input_grad(grad, w, x.shape, **options),
        sl.conv2d_weight_grad(grad, x, (2, 2), **options),
    ]


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_inputs(far_memory, which, axis, direction, padding):
    near = layer(padding)
    far = list(near)
    far[which] = apart(far_memory, near[which], axis, direction)
    for result, expected in zip(passes(*far, padding), passes(*near, padding)):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("axis", [0, 2, 3])
@pytest.mark.parametrize("direction", ["forward", "input_grad"])
def test_results(far_memory, direction, axis, padding):
    x, w, grad = layer(padding)
    expected = passes(x, w, grad, padding)[direction == "input_grad"]
    problem = make_problem(x.shape, w.shape, padding=padding, direction=direction, usable=("jit",), threads=2)
    out = apart(far_memory, np.zeros_like(expected), axis, last=True)
    if direction == "forward":
        machine.forward(x, w, out, problem, Epilogue())
    else:
        machine.input_grad(grad, w, out, problem)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_weight_gradients(far_memory, axis):
    x, w, grad = layer(1)
    out = apart(far_memory, np.zeros_like(w), axis)
    machine.weight_grad(
        grad, x, out, make_problem(x.shape, w.shape, padding=1, direction="weight_grad", usable=("jit",))
    )
    np.testing.assert_allclose(out, passes(x, w, grad, 1)[2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("which", [0, 1])
def test_products(far_memory, which, axis):
    near = [RNG.standard_normal((3, 3), dtype=np.float32) for _ in range(2)]
    far = list(near)
    far[which] = apart(far_memory, near[which], axis)
    out = np.empty((3, 3), np.float32)
    linear.forward(*far, None, out, 2)
    np.testing.assert_allclose(out, near[0] @ near[1].T, rtol=1e-5, atol=1e-5)
    linear.input_grad(*far, out, 2)
    np.testing.assert_allclose(out, near[0] @ near[1], rtol=1e-5, atol=1e-5)
    if which or axis == 0:  # the rows of the gradient are adjacent floats
        linear.weight_grad(*far, out, 2)
        np.testing.assert_allclose(out, near[0].T @ near[1], rtol=1e-5, atol=1e-5)


def test_more_elements_than_places_are_refused():
    """So no product of sizes overflows: the padded input and the output are bounded before a kernel is chosen."""
    x, w = np.ones((1, 4, 5, 5), np.float32), np.ones((4, 4, 2, 2), np.float32)
    for far in (2**31, 2**40, 2**62, 2**70):
        with pytest.raises(sl.errors.ShapeError, match="elements at most"):
            sl.conv2d(x, w, dilation=far, stride=far, padding=far, algorithm="direct")
