"""im2col: every window a row of a matrix, one row-wise reduction; back by col2im.

Each channel is an image of its own, so a row has one element per tap.
"""

import numpy as np

from sevenloops.arrays import Array
from sevenloops.columns import col2im, im2col
from sevenloops.geometry import PoolGeometry
from sevenloops.pooling.indices import first_maximum, write_positions
from sevenloops.pooling.registry import PoolAlgorithm, register
from sevenloops.strides import crop, padded

__all__ = ["ALGORITHM"]


def max_forward(x: Array, geometry: PoolGeometry, out: Array, indices: Array | None) -> None:
    """Lay out the windows, with -inf for padding, and take the maximum of each row."""
    columns = _columns(x, geometry, -np.inf)
    if indices is None:
        out[...] = columns.max(1).reshape(out.shape)
        return
    maxima, taps = first_maximum(columns)
    out[...] = maxima.reshape(out.shape)
    write_positions(taps.reshape(out.shape), out, geometry, indices)


def max_input_grad(grad_output: Array, indices: Array, geometry: PoolGeometry, out: Array) -> None:
    """Put each gradient in the column of its maximum, zeros elsewhere, and add the rows up where they came from."""
    positions = np.arange(out[0, 0].size).reshape(1, 1, *geometry.input_size)
    is_maximum = _columns(positions, geometry, -1) == indices.reshape(*out.shape[:2], -1, 1)
    columns = np.where(is_maximum, grad_output.reshape(*out.shape[:2], -1, 1), grad_output.dtype.type(0))
    _add_up(columns.reshape(-1, geometry.taps), geometry, out)


def avg_forward(x: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Lay out the windows, add up each row and divide."""
    np.divide(_columns(x, geometry, 0).sum(1).reshape(out.shape), divisor, out=out)


def avg_input_grad(grad_output: Array, divisor: Array, geometry: PoolGeometry, out: Array) -> None:
    """Write each output's share along its row, and add the rows up where they came from."""
    shares = (grad_output / divisor).reshape(-1, 1)
    _add_up(np.broadcast_to(shares, (shares.size, geometry.taps)), geometry, out)


def _columns(x: Array, geometry: PoolGeometry, fill: float) -> Array:
    """Return the windows of (N, C, *input_size) as rows: (N·C·pixels, taps)."""
    covered = padded(x, geometry, False, fill)
    planes = covered.reshape(-1, 1, *geometry.span)
    return im2col(planes, geometry.kernel_size, stride=geometry.stride, dilation=geometry.dilation)


def _add_up(columns: Array, geometry: PoolGeometry, out: Array) -> None:
    """Write the adjoint of `_columns` to `out`."""
    planes = col2im(
        columns,
        (out.shape[0] * out.shape[1], 1, *geometry.span),
        geometry.kernel_size,
        stride=geometry.stride,
        dilation=geometry.dilation,
    )
    crop(planes.reshape(*out.shape[:2], *geometry.span), out, geometry)


ALGORITHM = register(
    PoolAlgorithm(
        name="im2col",
        summary="the whole matrix of windows, one row-wise reduction; back by col2im",
        max_forward=max_forward,
        max_input_grad=max_input_grad,
        avg_forward=avg_forward,
        avg_input_grad=avg_input_grad,
    )
)
