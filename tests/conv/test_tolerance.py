"""The table of tolerances holds, and is not far from what is measured."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.conv.tolerance import tolerance
from tests.helpers import oracle
from tests.helpers.checks import ALGORITHMS

#: Input shape, filters, kernel size, padding.
LAYERS = [
    ((2, 48, 14, 15), 32, 3, 1),
    ((3, 6, 40, 36), 5, 5, 2),
    ((1, 4, 12, 13, 11), 4, 5, 2),
    ((2, 8, 300), 7, 4, 0),
]
DIRECT = [name for name in ALGORITHMS if name not in ("loops", "loops-window", "einsum-pixel", "winograd", "fft")]


def worst_error(algorithm, dtype, layers=LAYERS):
    """Return the largest error of any direction and layer, relative to the result's largest magnitude."""
    rng = np.random.default_rng(3)
    errors = []
    for shape, filters, kernel, padding in layers:
        axes = len(shape) - 2
        x = rng.standard_normal(shape).astype(dtype)
        weight = rng.standard_normal((filters, shape[1], *(kernel,) * axes)).astype(dtype)
        grad = rng.standard_normal((shape[0], filters, *(n + 2 * padding - kernel + 1 for n in shape[2:])))
        grad = grad.astype(dtype)
        plain = {"stride": (1,) * axes, "padding": ((padding, padding),) * axes, "dilation": (1,) * axes, "groups": 1}
        options = {"padding": padding, "algorithm": algorithm}
        forward, name = getattr(sl, f"conv{axes}d"), f"conv{axes}d"
        input_grad, weight_grad = getattr(sl, f"{name}_input_grad"), getattr(sl, f"{name}_weight_grad")
        pairs = [
            (forward(x, weight, **options), oracle.forward(x, weight, **plain)),
            (input_grad(grad, weight, x.shape, **options), oracle.input_grad(grad, weight, shape[2:], **plain)),
            (
                weight_grad(grad, x, (kernel,) * axes, **options),
                oracle.weight_grad(grad, x, (kernel,) * axes, **plain),
            ),
        ]
        errors += [np.abs(result - expected).max() / np.abs(expected).max() for result, expected in pairs]
    return max(errors)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("algorithm", [*DIRECT, "winograd", "fft"])
def test_errors_are_within_the_table(algorithm, dtype):
    layers = [layer for layer in LAYERS if algorithm != "direct" or len(layer[0]) < 5]
    assert worst_error(algorithm, dtype, layers) <= tolerance(algorithm, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["im2col", "winograd", "fft"])
def test_the_table_is_not_lax(algorithm, dtype):
    assert worst_error(algorithm, dtype) >= tolerance(algorithm, dtype) / 40


@pytest.mark.parametrize("algorithm", ["loops", "loops-window", "einsum-pixel"])
def test_slow_rungs_on_a_small_layer(algorithm):
    layers = [((1, 4, 9, 8), 3, 3, 1)]
    for dtype in ("float16", "float32", "float64"):
        assert worst_error(algorithm, dtype, layers) <= tolerance(algorithm, dtype)


def test_every_algorithm_has_one_and_nothing_else_has():
    for name in sl.algorithms():
        assert 0 < tolerance(name, np.float64) < tolerance(name, np.float32) < tolerance(name, np.float16) < 1e-3
    with pytest.raises(sl.errors.UnknownAlgorithmError, match="loops"):
        tolerance("auto", "float32")
    with pytest.raises(TypeError, match="int32"):
        tolerance("loops", np.int32)
