"""The three passes of a convolution in float64, from the definition, sharing nothing with the algorithms.

For each tap (u, v) of the kernel, with the padded input X and the output's gradient G:

    Y[n, o, i, j]       += Σ_c  W[o, c, u, v] · X[n, c, s·i + u, s·j + v]
    dX[n, c, s·i+u, s·j+v] += Σ_o  W[o, c, u, v] · G[n, o, i, j]
    dW[o, c, u, v]       = Σ_nij  G[n, o, i, j] · X[n, c, s·i + u, s·j + v]

so that every tap is one matrix product per image and group.
"""

from collections.abc import Iterator

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.layers import ConvLayer

__all__ = ["reference"]


def reference(layer: ConvLayer, direction: str) -> Array:
    """Return the result of a pass of the layer's own arrays in float64.

    Parameters
    ----------
    layer : ConvLayer
    direction : {"forward", "input_grad", "weight_grad"}
    """
    x, weight, grad = (array.astype(np.float64) for array in layer.arrays())
    n, groups, pixels = layer.n, layer.groups, layer.out_size[0] * layer.out_size[1]
    inner, outer = layer.c // groups, layer.o // groups
    taps = weight.reshape(groups, outer, inner, *layer.kernel)
    grads = grad.reshape(n, groups, outer, pixels)
    padded = np.pad(x, ((0, 0), (0, 0), *((pad, pad) for pad in layer.padding)))
    if direction == "forward":
        out = np.zeros((n, groups, outer, pixels))
        for u, v, place in _places(layer):
            out += taps[..., u, v] @ padded[place].reshape(n, groups, inner, pixels)
        return out.reshape(layer.out_shape)
    if direction == "input_grad":
        result = np.zeros_like(padded)
        for u, v, place in _places(layer):
            spread = taps[..., u, v].swapaxes(1, 2) @ grads
            result[place] += spread.reshape(n, layer.c, *layer.out_size)
        (top, left), (height, width) = layer.padding, (layer.h, layer.w)
        return result[:, :, top : top + height, left : left + width]
    sums = np.empty_like(taps)
    for u, v, place in _places(layer):
        read = padded[place].reshape(n, groups, inner, pixels)
        sums[..., u, v] = (grads @ read.swapaxes(2, 3)).sum(0)
    return sums.reshape(layer.weight_shape)


def _places(layer: ConvLayer) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Yield every tap with where in the padded input it is multiplied with."""
    for u in range(layer.kernel[0]):
        for v in range(layer.kernel[1]):
            rows, columns = (
                slice(start, start + (count - 1) * stride + 1, stride)
                for start, count, stride in zip((u, v), layer.out_size, layer.stride)
            )
            yield u, v, (slice(None), slice(None), rows, columns)
