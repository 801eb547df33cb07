"""The reference against sums over every window, written out, in float64."""

import itertools

import numpy as np
import pytest

from sevenloops.bench import ConvLayer
from sevenloops.bench.reference import reference

LAYERS = [
    ConvLayer.square(2, 3, 6, 4, 3),
    ConvLayer(2, 4, 7, 6, 6, (3, 2), (2, 1), (1, 2), 2),
    ConvLayer(1, 3, 5, 8, 3, (2, 3), (1, 3), (0, 1), 3),
    ConvLayer.square(2, 2, 4, 3, 1, stride=2),
]


def passes_by_definition(layer):
    """All three passes, one multiplication at a time."""
    x, w, g = (array.astype(np.float64) for array in layer.arrays())
    y, dx, dw = np.zeros(layer.out_shape), np.zeros(layer.x_shape), np.zeros(layer.weight_shape)
    inner, outer = layer.c // layer.groups, layer.o // layer.groups
    for n, o, i, j in np.ndindex(*layer.out_shape):
        for c, u, v in itertools.product(range(inner), range(layer.kernel[0]), range(layer.kernel[1])):
            row = i * layer.stride[0] + u - layer.padding[0]
            column = j * layer.stride[1] + v - layer.padding[1]
            if 0 <= row < layer.h and 0 <= column < layer.w:
                place = n, o // outer * inner + c, row, column
                y[n, o, i, j] += x[place] * w[o, c, u, v]
                dx[place] += g[n, o, i, j] * w[o, c, u, v]
                dw[o, c, u, v] += g[n, o, i, j] * x[place]
    return {"forward": y, "input_grad": dx, "weight_grad": dw}


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_all_passes(layer):
    for direction, expected in passes_by_definition(layer).items():
        result = reference(layer, direction)
        assert result.dtype == np.float64
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
