"""A convolution as one product with the matrix of its windows: what im2col and im2col-lazy share.

With K = C/groups · taps, and P the output positions of an image, per image and group

    forward       y    (O/groups, P) = W (O/groups, K) · cols (K, P)
    input_grad    cols (K, P)        = Wᵀ · dy,  and each tap's rows are added to where im2col read them
    weight_grad   dW   (O/groups, K) = Σ_images dy · colsᵀ

A copy is fast where its runs of adjacent elements are long, so there are two ways to lay out the same matrix. Form
`Rows` has an output row in each run: (images, groups, K, P). Form `Pixels`, for channels-last memory, has a row of
the kernel with its channels in each run: (images·P, taps·C), without groups. Where the kernel covers the whole input
there is nothing to lay out: form `Whole`.
"""

from math import prod
from typing import TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.indexing import Index, tap_index, taps
from sevenloops.conv.problem import ConvProblem
from sevenloops.geometry import ConvGeometry
from sevenloops.strides import overlap, padded, window_view

__all__ = [
    "Form",
    "Pixels",
    "Rows",
    "Whole",
    "adds_across_images",
    "form_of",
    "lays_side_by_side",
    "padded_bytes",
    "sums_over_images",
]

# From this many adjacent elements on, a run is copied about as fast as a long one.
_SHORT_RUN = 16
# Images with fewer positions than this are put side by side, so that a product reads the weights less often.
_FEW_POSITIONS = 64
# Up to this length, rows are added faster with the same row of all images behind them.
_SHORT_ROW = 32


class Rows:
    """Columns (images, groups, K, P): channels first."""

    @staticmethod
    def matrix(weight: Array, g: ConvGeometry) -> Array:
        """Return the weight (O, C/groups, *kernel) as (groups, O/groups, K)."""
        return weight.reshape(g.groups, g.group_out, -1)

    @staticmethod
    def forward(x: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Write out (N, O, *output_size) from x (N, C, *input_size)."""
        target = out.reshape(g.batch, g.groups, g.group_out, g.pixels)
        if lays_side_by_side(g):
            side_by_side = matrix @ _rows(x, g, merge_images=True)
            target[...] = side_by_side.reshape(g.groups, g.group_out, g.batch, g.pixels).transpose(2, 0, 1, 3)
        else:
            np.matmul(matrix, _rows(x, g), out=target)

    @staticmethod
    def input_grad(grad_output: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Add to out (N, C, *input_size) what grad_output (N, O, *output_size) sends back."""
        if adds_across_images(g):
            images_last = grad_output.transpose(*range(1, grad_output.ndim), 0)
            last = images_last.reshape(g.groups, g.group_out, g.pixels * g.batch)
            cols = (matrix.transpose(0, 2, 1) @ last).reshape(g.in_channels, *g.kernel_size, *g.output_size, g.batch)
            _scatter(_images_first(cols), out, g)
        else:
            cols = matrix.transpose(0, 2, 1) @ grad_output.reshape(g.batch, g.groups, g.group_out, g.pixels)
            _scatter(cols.reshape(g.batch, g.in_channels, *g.kernel_size, *g.output_size), out, g)

    @staticmethod
    def weight_grad(grad_output: Array, x: Array, g: ConvGeometry) -> Array:
        """Return the weight's gradient as (O, C/groups, *kernel)."""
        grads = grad_output.reshape(g.batch, g.groups, g.group_out, g.pixels)
        if sums_over_images(g):
            per_image = grads @ _rows(x, g).transpose(0, 1, 3, 2)
            result: Array = per_image.sum(axis=0)
        else:
            side_by_side = grads.transpose(1, 2, 0, 3).reshape(g.groups, g.group_out, -1)
            result = side_by_side @ _rows(x, g, merge_images=True).transpose(0, 2, 1)
        return result.reshape(g.weight_shape)


class Pixels:
    """Columns (images·P, taps·C): channels last; the memory of outputs must be so too."""

    @staticmethod
    def matrix(weight: Array, g: ConvGeometry) -> Array:
        """Return the weight (O, C, *kernel) as (taps·C, O), in memory order."""
        return np.ascontiguousarray(weight.reshape(g.out_channels, g.in_channels, g.taps).transpose(2, 1, 0)).reshape(
            -1, g.out_channels
        )

    @staticmethod
    def forward(x: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Write out (N, O, *output_size) from x (N, C, *input_size)."""
        np.matmul(_pixels(x, g), matrix, out=_channels_last(out).reshape(-1, g.out_channels))

    @staticmethod
    def input_grad(grad_output: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Add to out (N, C, *input_size) what grad_output (N, O, *output_size) sends back."""
        cols = _channels_last(grad_output).reshape(-1, g.out_channels) @ matrix.T
        axes = g.axes
        ordered = cols.reshape(g.batch, *g.output_size, *g.kernel_size, g.in_channels).transpose(
            0, 1 + 2 * axes, *range(1 + axes, 1 + 2 * axes), *range(1, 1 + axes)
        )
        _scatter(ordered, out, g)

    @staticmethod
    def weight_grad(grad_output: Array, x: Array, g: ConvGeometry) -> Array:
        """Return the weight's gradient as (O, C, *kernel)."""
        result = _channels_last(grad_output).reshape(-1, g.out_channels).T @ _pixels(x, g)
        return result.reshape(g.out_channels, g.taps, g.in_channels).transpose(0, 2, 1).reshape(g.weight_shape)


class Whole:
    """One position whose window is the whole input: the images themselves are the matrix, (images, C·taps)."""

    @staticmethod
    def matrix(weight: Array, g: ConvGeometry) -> Array:
        """Return the weight (O, C, *kernel) as (O, C·taps)."""
        return weight.reshape(g.out_channels, -1)

    @staticmethod
    def forward(x: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Write out (N, O, *output_size) from x (N, C, *input_size)."""
        np.matmul(x.reshape(g.batch, -1), matrix.T, out=out.reshape(g.batch, g.out_channels))

    @staticmethod
    def input_grad(grad_output: Array, matrix: Array, out: Array, g: ConvGeometry) -> None:
        """Add to out (N, C, *input_size) what grad_output (N, O, *output_size) sends back."""
        out += (grad_output.reshape(g.batch, g.out_channels) @ matrix).reshape(out.shape)

    @staticmethod
    def weight_grad(grad_output: Array, x: Array, g: ConvGeometry) -> Array:
        """Return the weight's gradient as (O, C, *kernel)."""
        result = grad_output.reshape(g.batch, g.out_channels).T @ x.reshape(g.batch, -1)
        return result.reshape(g.weight_shape)


Form: TypeAlias = type[Rows] | type[Pixels] | type[Whole]


def form_of(problem: ConvProblem) -> Form:
    """Return the form whose copies are faster for the geometry and the memory order of the problem."""
    g = problem.geometry
    if g.pixels == 1 and g.groups == 1 and not g.is_padded and g.span == g.input_size and max(g.dilation) == 1:
        return Whole
    run = g.in_channels * (g.kernel_size[-1] if g.dilation[-1] == 1 else 1)
    if problem.channels_last and g.groups == 1 and (run >= _SHORT_RUN or g.taps == 1):
        return Pixels
    return Rows


def lays_side_by_side(g: ConvGeometry) -> bool:
    """Return whether `Rows` makes one product of several images, and copies its result to where it belongs."""
    return g.batch > 1 and g.pixels < _FEW_POSITIONS


def adds_across_images(g: ConvGeometry) -> bool:
    """Return whether `Rows` has the images last where it adds gradients up: a row is then a run N times as long."""
    return g.batch > 1 and g.output_size[-1] <= _SHORT_ROW and g.stride[-1] == 1 and g.taps > 1


def sums_over_images(g: ConvGeometry) -> bool:
    """Return whether `Rows` makes one weight gradient per image: where they are small beside the images' columns."""
    return g.group_in * g.taps <= 2 * g.pixels


def _rows(x: Array, g: ConvGeometry, merge_images: bool = False) -> Array:
    """Return the columns (N, groups, K, P), or with merged images (groups, K, N·P)."""
    source = padded(x, g, channels_last=False)
    if g.taps > 1 and abs(source.strides[1]) < min(map(abs, source.strides[2:])):
        source = np.ascontiguousarray(source)  # windows are read taps times: straighten channels-last memory once
    outputs, kernel = range(2, 2 + g.axes), range(2 + g.axes, 2 + 2 * g.axes)
    order = (1, *kernel, 0, *outputs) if merge_images else (0, 1, *kernel, *outputs)
    shape = (g.groups, -1, g.batch * g.pixels) if merge_images else (g.batch, g.groups, -1, g.pixels)
    return _gathered(window_view(source, g).transpose(order), g).reshape(shape)


def _pixels(x: Array, g: ConvGeometry) -> Array:
    """Return the columns (N·P, taps·C)."""
    windows = window_view(padded(x, g, channels_last=True), g)
    return _gathered(_channels_last(windows), g).reshape(g.batch * g.pixels, -1)


def _gathered(windows: Array, g: ConvGeometry) -> Array:
    """Copy a view of the windows; where each is one element there is nothing to lay out."""
    if g.taps == 1:
        return windows
    cols = runtime.empty(windows.shape, windows.dtype)
    np.copyto(cols, windows)
    return cols


def _scatter(cols: Array, out: Array, g: ConvGeometry) -> None:
    """Add columns (N, C, *kernel, *output_size) where im2col reads them: the taps are shifted, strided slices."""
    inside, covered = overlap(g)
    target = out[covered]
    images_last = cols.strides[0] == cols.itemsize  # then so is the block: both are walked through in one order
    whole = target.shape[2:] == g.span and not images_last
    if whole:
        block = target
    elif images_last:
        block = _images_first(np.zeros((g.in_channels, *g.span, g.batch), out.dtype))
    else:
        block = np.zeros((g.batch, g.in_channels, *g.span), out.dtype)
    for tap in taps(g):
        at: Index = (slice(None), slice(None), *tap)
        block[tap_index(tap, g)] += cols[at]
    if not whole:
        target += block[inside]


def _images_first(array: Array) -> Array:
    """View (C, …, N) as (N, C, …)."""
    return array.transpose(array.ndim - 1, *range(array.ndim - 1))


def _channels_last(array: Array) -> Array:
    """View (N, C, …) as (N, …, C)."""
    return array.transpose(0, *range(2, array.ndim), 1)


def padded_bytes(g: ConvGeometry, itemsize: int) -> int:
    """Return the bytes of the padded input, or of the block that gradients are added up in."""
    return g.batch * g.in_channels * prod(g.span) * itemsize if g.is_padded else 0
