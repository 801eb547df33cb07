"""loops: every window, element by element.

    max: y[n, c, i, j] = max_u,v x[n, c, i·s + u·d - p, j·s + v·d - p]
    avg: y[n, c, i, j] = Σ_u,v   x[n, c, i·s + u - p, j·s + v - p] / divisor[i, j]

over the positions inside the input. Elements are read through memoryviews, which give Python floats: sums are taken
in double precision whatever the dtype.
"""

from collections.abc import Iterator
from itertools import product
from math import inf

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry import PoolGeometry
from sevenloops.pooling.indices import pitches
from sevenloops.pooling.registry import PoolAlgorithm, register

__all__ = ["ALGORITHM"]

Index = tuple[int, ...]


def max_forward(x: Array, geometry: PoolGeometry, out: Array, indices: Array | None) -> None:
    """Look for the largest element of each window."""
    pitch = pitches(geometry.input_size)
    for plane in product(*map(range, out.shape[:2])):
        read = memoryview(x[plane])
        for output, window in _windows(geometry):
            largest, place = -inf, -1
            for position in window:
                element = read[position]
                if place < 0 or element > largest or element != element:
                    largest, place = element, sum(map(int.__mul__, position, pitch))
            out[plane][output] = largest
            if indices is not None:
                indices[plane][output] = place


def max_input_grad(grad_output: Array, indices: Array, geometry: PoolGeometry, out: Array) -> None:
    """Send the gradient of each output to the element it came from."""
    out[...] = 0
    for plane in product(*map(range, out.shape[:2])):
        for output in product(*map(range, geometry.output_size)):
            place = indices[plane][output]
            if place >= 0:
                out[plane][np.unravel_index(place, geometry.input_size)] += grad_output[plane][output]


def avg_forward(x: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Add up each window and divide."""
    divisors = np.broadcast_to(divisor, geometry.output_size)
    for plane in product(*map(range, out.shape[:2])):
        read = memoryview(x[plane])
        for output, window in _windows(geometry):
            total = 0.0
            for position in window:
                total += read[position]
            out[plane][output] = total / float(divisors[output])


def avg_input_grad(grad_output: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Send an equal share of each output's gradient to every element of its window."""
    divisors = np.broadcast_to(divisor, geometry.output_size)
    out[...] = 0
    for plane in product(*map(range, out.shape[:2])):
        for output, window in _windows(geometry):
            share = grad_output[plane][output] / divisors[output]
            for position in window:
                out[plane][position] += share


def _windows(geometry: PoolGeometry) -> Iterator[tuple[Index, Iterator[Index]]]:
    """Yield each output, and the positions of its window that lie inside the input."""
    for output in product(*map(range, geometry.output_size)):
        inside = []
        for axis, i in enumerate(output):
            start = i * geometry.stride[axis] - geometry.padding[axis][0]
            taps = (start + u * geometry.dilation[axis] for u in range(geometry.kernel_size[axis]))
            inside.append([position for position in taps if 0 <= position < geometry.input_size[axis]])
        yield output, product(*inside)


ALGORITHM = register(
    PoolAlgorithm(
        name="loops",
        summary="every window, element by element; the oracle in float64",
        max_forward=max_forward,
        max_input_grad=max_input_grad,
        avg_forward=avg_forward,
        avg_input_grad=avg_input_grad,
    )
)
