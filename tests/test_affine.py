"""The kernels of the affine map, against loops; `out` may be part of a larger array."""

import numpy as np
import pytest

from sevenloops.affine import kernel


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_each_direction(rows):
    rng = np.random.default_rng(0)
    x, weight, bias, grad = (rng.standard_normal(s) for s in ((rows, 3), (4, 3), (4,), (rows, 4)))
    expected = {
        "forward": [[sum(a * b for a, b in zip(r, w)) + c for w, c in zip(weight, bias)] for r in x],
        "input_grad": [[sum(g[o] * weight[o, i] for o in range(4)) for i in range(3)] for g in grad],
        "weight_grad": [[sum(grad[m, o] * x[m, i] for m in range(rows)) for i in range(3)] for o in range(4)],
        "bias_grad": [sum(grad[m, o] for m in range(rows)) for o in range(4)],
    }
    operands = {
        "forward": (x, weight, bias),
        "input_grad": (grad, weight),
        "weight_grad": (grad, x),
        "bias_grad": (grad,),
    }
    shapes = {"forward": (rows, 4), "input_grad": (rows, 3), "weight_grad": (4, 3), "bias_grad": (4,)}
    for direction, shape in shapes.items():
        around = np.full(tuple(n + 2 for n in shape), np.nan)
        out = around[tuple(slice(1, n + 1) for n in shape)]
        kernel(direction)(*operands[direction], out)
        np.testing.assert_allclose(out, np.reshape(expected[direction], shape), atol=1e-13)
        assert np.isnan(around).sum() == around.size - out.size


def test_without_a_bias():
    out = np.empty((1, 1))
    kernel("forward")(np.full((1, 2), 3.0), np.ones((1, 2)), None, out)
    assert out.item() == 6
