"""The geometry of pooling in 1, 2 or 3 spatial axes: windows of one size, and adaptive windows.

Pooling treats every channel of every image alike and every axis by itself: a window of several axes is the product of
one interval per axis, so all that is worked out here is worked out axis by axis.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag, is_sequence, paddings, per_axis
from sevenloops.geometry.axis import effective_kernel, output_length, tap_range

__all__ = ["AdaptiveGeometry", "PoolGeometry"]


@dataclass(frozen=True, slots=True)
class PoolGeometry:
    """Sizes of one pooling, channels first; built by the class methods, which check everything.

    Attributes
    ----------
    batch, channels : int
    input_size, kernel_size, output_size : tuple of int
        One entry per spatial axis.
    stride, dilation : tuple of int
    padding : tuple of (int, int)
        (before, after) per spatial axis, each less than the effective kernel.
    ceil_mode : bool
        Whether the last window of an axis may hang over the end; `output_size` counts it already.
    """

    batch: int
    channels: int
    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    output_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    # --- sizes that follow ---------------------------------------------------------------------------------------

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel_size)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """(N, C, *input_size)."""
        return (self.batch, self.channels, *self.input_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """(N, C, *output_size)."""
        return (self.batch, self.channels, *self.output_size)

    @property
    def effective_kernel(self) -> tuple[int, ...]:
        """Positions that the dilated kernel covers, per axis."""
        return tuple(map(effective_kernel, self.kernel_size, self.dilation))

    @property
    def taps(self) -> int:
        """Kernel positions."""
        return prod(self.kernel_size)

    @property
    def span(self) -> tuple[int, ...]:
        """Positions that all windows together cover, per axis, counted from the first padded one.

        Less than the padded input where no window reaches its end, more where one hangs over it.
        """
        return tuple((out - 1) * s + e for out, s, e in zip(self.output_size, self.stride, self.effective_kernel))

    @property
    def is_padded(self) -> bool:
        """Whether some window reaches outside the input (padding that none reaches does not count)."""
        return any(
            before > 0 or span - before > length
            for (before, _), span, length in zip(self.padding, self.span, self.input_size)
        )

    @property
    def is_disjoint(self) -> bool:
        """Whether no position belongs to two windows."""
        return all(out == 1 or s >= e for out, s, e in zip(self.output_size, self.stride, self.effective_kernel))

    def tap_slices(self, axis: int, tap: int) -> tuple[slice, slice]:
        """Return the windows of an axis whose `tap` lies in the input, and those positions, as two slices.

        The slices have the same length: window ``i`` of the first has its tap at the matching position of the second.
        Both are empty where the tap of every window is padding.
        """
        s, (before, _) = self.stride[axis], self.padding[axis]
        offset = tap * self.dilation[axis] - before
        first, stop = tap_range(self.input_size[axis], self.output_size[axis], s, offset)
        if first >= stop:
            return slice(0, 0), slice(0, 0)
        return slice(first, stop), slice(first * s + offset, (stop - 1) * s + offset + 1, s)

    def first_taps(self, axis: int) -> tuple[int | None, ...]:
        """Return for each window of an axis its first tap inside the input; None where it sees padding only."""
        first: list[int | None] = [None] * self.output_size[axis]
        for tap in reversed(range(self.kernel_size[axis])):
            windows, _ = self.tap_slices(axis, tap)
            first[windows] = [tap] * (windows.stop - windows.start)
        return tuple(first)

    def counts(self, axis: int, include_padding: bool) -> tuple[int, ...]:
        """Return how many positions of each window of an axis an average divides by.

        With `include_padding` those inside the padded input, so that only what hangs over it by `ceil_mode` is left
        out; otherwise those inside the input, which may be none.
        """
        if not include_padding:
            inside = [0] * self.output_size[axis]
            for tap in range(self.kernel_size[axis]):
                windows, _ = self.tap_slices(axis, tap)
                for i in range(windows.start, windows.stop):
                    inside[i] += 1
            return tuple(inside)
        s, k, d = self.stride[axis], self.kernel_size[axis], self.dilation[axis]
        padded = self.input_size[axis] + sum(self.padding[axis])
        return tuple(min(k, -(-(padded - i * s) // d)) for i in range(self.output_size[axis]))

    # --- constructors --------------------------------------------------------------------------------------------

    @classmethod
    def forward(
        cls,
        x_shape: tuple[int, ...],
        kernel_size: Any,
        *,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: Any = False,
    ) -> "PoolGeometry":
        """Return the geometry of the pooling of an input.

        Parameters
        ----------
        x_shape : tuple of int
            (N, C, *spatial), channels first whatever the layout of the call.
        kernel_size, stride, padding, dilation, ceil_mode
            As users write them; see `sevenloops.max_pool2d`. A `stride` of None is the kernel size.

        Raises
        ------
        ShapeError
            If the sizes contradict each other, no window fits, or a padding is not less than the effective kernel.
        TypeError
            If a parameter is not made of integers, or `ceil_mode` is not a bool.
        """
        axes = len(x_shape) - 2
        kernel = per_axis("kernel_size", kernel_size, axes)
        steps = kernel if stride is None else per_axis("stride", stride, axes)
        dilations = per_axis("dilation", dilation, axes)
        pads = paddings(padding, x_shape[2:], kernel, steps, dilations)
        return _build(tuple(x_shape), kernel, steps, pads, dilations, flag("ceil_mode", ceil_mode))

    @classmethod
    def from_input_grad(
        cls, grad_shape: tuple[int, ...], input_shape: tuple[int, ...], kernel_size: Any, **parameters: Any
    ) -> "PoolGeometry":
        """Return the geometry from the shapes that the input gradient is given; `input_shape` is channels first.

        Raises
        ------
        ShapeError
            As `forward`, and if `grad_shape` is not the shape of the pooling's output.
        """
        geometry = cls.forward(input_shape, kernel_size, **parameters)
        _check_grad(grad_shape, geometry.out_shape, "input_size, kernel_size, stride, padding and ceil_mode")
        return geometry


@dataclass(frozen=True, slots=True)
class AdaptiveGeometry:
    """Sizes of one adaptive pooling, channels first: the number of windows is given, and their sizes follow.

    Window i of an axis of length L with `out` windows is the half-open interval from floor(i·L / out) to
    ceil((i + 1)·L / out). The windows cover the axis, and share positions where `out` does not divide L.

    Position r of the axis belongs to the windows from floor(r·out / L) to ceil((r + 1)·out / L): the same formula
    with the two sizes exchanged. So the adjoint of a sum over these windows is a sum over those of `reversed`.

    Attributes
    ----------
    batch, channels : int
    input_size, output_size : tuple of int
        One entry per spatial axis.
    """

    batch: int
    channels: int
    input_size: tuple[int, ...]
    output_size: tuple[int, ...]

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return len(self.output_size)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """(N, C, *input_size)."""
        return (self.batch, self.channels, *self.input_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """(N, C, *output_size)."""
        return (self.batch, self.channels, *self.output_size)

    @property
    def reversed(self) -> "AdaptiveGeometry":
        """The adaptive pooling from this one's output size to its input size."""
        return AdaptiveGeometry(self.batch, self.channels, self.output_size, self.input_size)

    @property
    def fixed(self) -> PoolGeometry | None:
        """The pooling with windows of one size, side by side, that this one is; None if some windows overlap."""
        if any(out == 0 or length % out for length, out in zip(self.input_size, self.output_size)):
            return None
        kernel = tuple(length // out for length, out in zip(self.input_size, self.output_size))
        return PoolGeometry.forward(self.x_shape, kernel)

    def bounds(self, axis: int) -> tuple[tuple[int, int], ...]:
        """Return (start, end) of each window of an axis."""
        length, out = self.input_size[axis], self.output_size[axis]
        return tuple((i * length // out, -(-(i + 1) * length // out)) for i in range(out))

    @classmethod
    def forward(cls, x_shape: tuple[int, ...], output_size: Any) -> "AdaptiveGeometry":
        """Return the geometry of the adaptive pooling of an (N, C, *spatial) input.

        Parameters
        ----------
        x_shape : tuple of int
            (N, C, *spatial), channels first whatever the layout of the call.
        output_size
            An integer or one per spatial axis; None keeps the input's size, 0 makes an empty result.

        Raises
        ------
        ShapeError
            If a size is less than 0, or the number of entries is not that of the spatial axes.
        TypeError
            If an entry is neither an integer nor None.
        """
        _check_input(tuple(x_shape))
        spatial = tuple(x_shape[2:])
        entries = spatial if output_size is None else output_size
        if is_sequence(entries) and len(entries) == len(spatial):
            entries = tuple(size if entry is None else entry for size, entry in zip(spatial, entries))
        return cls(x_shape[0], x_shape[1], spatial, per_axis("output_size", entries, len(spatial), minimum=0))

    @classmethod
    def from_input_grad(cls, grad_shape: tuple[int, ...], input_shape: tuple[int, ...]) -> "AdaptiveGeometry":
        """Return the geometry from the shapes that the input gradient is given, both channels first.

        Raises
        ------
        ShapeError
            If the shapes differ in batch or channels, or an axis is empty.
        """
        geometry = cls.forward(input_shape, tuple(grad_shape[2:]))
        _check_grad(grad_shape, geometry.out_shape, "input_size")
        return geometry


@lru_cache(maxsize=4096)
def _build(
    x_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> PoolGeometry:
    """Check the sizes and work out the output's; the arguments are canonical, so equal calls share one record."""
    _check_input(x_shape)
    output = []
    for axis, (length, k, s, pad, d) in enumerate(zip(x_shape[2:], kernel, stride, pads, dilation)):
        covers = effective_kernel(k, d)
        if max(pad) >= covers:
            raise ShapeError(
                f"Pooling padding on a side must be less than the effective kernel, but on spatial axis {axis} "
                f"it is {pad} and the kernel covers {covers} positions (size {k}, dilation {d}); use less padding."
            )
        out = output_length(length, k, s, pad, d, ceil_mode)
        if out < 1:
            raise ShapeError(
                f"The pooling window must fit into the padded input, but on spatial axis {axis} it covers {covers} "
                f"positions (size {k}, dilation {d}) and the input has {length} + {pad[0]} + {pad[1]} padded; "
                f"use a larger input, more padding or a smaller kernel."
            )
        output.append(out)
    return PoolGeometry(
        batch=x_shape[0],
        channels=x_shape[1],
        input_size=x_shape[2:],
        kernel_size=kernel,
        output_size=tuple(output),
        stride=stride,
        padding=pads,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def _check_input(x_shape: tuple[int, ...]) -> None:
    if min(x_shape[1:]) < 1:
        raise ShapeError(
            f"Every axis of the input but the batch must have at least one element, "
            f"but its shape is {x_shape} (channels first)."
        )


def _check_grad(grad_shape: tuple[int, ...], out_shape: tuple[int, ...], remedy: str) -> None:
    if tuple(grad_shape) != out_shape:
        raise ShapeError(
            f"grad_output must have the shape of the pooling's output, {out_shape} (channels first), "
            f"but its shape is {tuple(grad_shape)}; check {remedy}."
        )
