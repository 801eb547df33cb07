"""The geometry of a convolution in 1, 2 or 3 spatial axes: every size, worked out and checked.

One record serves three directions and the transposed convolution too. A transposed convolution from x to y is the
input gradient of the convolution that maps y to x, so `ConvGeometry.transposed` returns that convolution's geometry:
its `input_size` is the size of the *result*.
"""

import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import integer, paddings, per_axis
from sevenloops.geometry.axis import effective_kernel, output_length
from sevenloops.geometry.layout import Layout

__all__ = ["ConvGeometry"]

#: More float64 elements than this have more bytes than addresses.
_MOST_ELEMENTS = sys.maxsize // 8


@dataclass(frozen=True, slots=True)
class ConvGeometry:
    """Sizes of one convolution, channels first; built by the class methods, which check everything.

    Attributes
    ----------
    batch, in_channels, out_channels, groups : int
    input_size, kernel_size, output_size : tuple of int
        One entry per spatial axis.
    stride, dilation : tuple of int
    padding : tuple of (int, int)
        (before, after) per spatial axis.
    """

    batch: int
    in_channels: int
    out_channels: int
    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    output_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    # --- sizes that follow ---------------------------------------------------------------------------------------

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel_size)

    @property
    def group_in(self) -> int:
        """Input channels of one group."""
        return self.in_channels // self.groups

    @property
    def group_out(self) -> int:
        """Output channels of one group."""
        return self.out_channels // self.groups

    @property
    def x_shape(self) -> tuple[int, ...]:
        """(N, C_in, *input_size)."""
        return (self.batch, self.in_channels, *self.input_size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(C_out, C_in / groups, *kernel_size)."""
        return (self.out_channels, self.group_in, *self.kernel_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """(N, C_out, *output_size)."""
        return (self.batch, self.out_channels, *self.output_size)

    @property
    def effective_kernel(self) -> tuple[int, ...]:
        """Positions that the dilated kernel covers, per axis."""
        return tuple(map(effective_kernel, self.kernel_size, self.dilation))

    @property
    def span(self) -> tuple[int, ...]:
        """Positions that all windows together cover, per axis, counted from the first padded one.

        It is the size of the padded input without the remainder that no window reaches.
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
    def is_pointwise(self) -> bool:
        """Whether every window is one position and none is padding: a matrix product, whatever the stride."""
        return prod(self.kernel_size) == 1 and not self.is_padded

    @property
    def is_whole(self) -> bool:
        """Whether the kernel is as large as the input, which is one window without padding: a matrix product."""
        return self.groups == 1 and self.kernel_size == self.input_size == self.span and not self.is_padded

    @property
    def is_depthwise(self) -> bool:
        """Whether each group has one input and one output channel."""
        return self.group_in == self.group_out == 1

    @property
    def pixels(self) -> int:
        """Output positions of one image."""
        return prod(self.output_size)

    @property
    def taps(self) -> int:
        """Kernel positions."""
        return prod(self.kernel_size)

    @property
    def flops(self) -> int:
        """Floating-point operations of the definition, the same in each direction: 2·N·pixels·O·(C/groups)·taps."""
        return 2 * self.batch * self.pixels * self.out_channels * self.group_in * self.taps

    def strip(self, images: slice, rows: slice) -> tuple["ConvGeometry", slice]:
        """Return the geometry of a part of this convolution, which is a convolution itself.

        Parameters
        ----------
        images, rows : slice
            With start and stop inside: the images, and the output positions along the first spatial axis.

        Returns
        -------
        geometry : ConvGeometry
            That of the part, whose input is ``x[images, :, inputs]``.
        inputs : slice
            The positions along the input's first spatial axis that its windows reach; they may be none.
        """
        stride, length = self.stride[0], self.input_size[0]
        start = rows.start * stride - self.padding[0][0]
        stop = (rows.stop - 1) * stride - self.padding[0][0] + self.effective_kernel[0]
        first = min(max(start, 0), length)
        last = max(first, min(stop, length))
        pad = (first - start, stop - last) if last > first else (stop - start, 0)
        part = replace(
            self,
            batch=images.stop - images.start,
            input_size=(last - first, *self.input_size[1:]),
            output_size=(rows.stop - rows.start, *self.output_size[1:]),
            padding=(pad, *self.padding[1:]),
        )
        return part, slice(first, last)

    # --- constructors --------------------------------------------------------------------------------------------

    @classmethod
    def forward(
        cls,
        x_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
        layout: Layout | None = None,
    ) -> "ConvGeometry":
        """Return the geometry of the convolution of an input with a weight.

        Parameters
        ----------
        x_shape : tuple of int
            (N, C_in, *spatial), channels first whatever the layout of the call.
        weight_shape : tuple of int
            (C_out, C_in / groups, *kernel_size).
        stride, padding, dilation, groups
            As users write them; see `sevenloops.conv2d`.
        layout : Layout, optional
            The layout of the call, for messages in the user's own order of axes.

        Raises
        ------
        ShapeError
            If the shapes contradict each other or the parameters, or no window fits.
        TypeError
            If a parameter is not made of integers.
        """
        axes = len(x_shape) - 2
        stride = per_axis("stride", stride, axes)
        dilation = per_axis("dilation", dilation, axes)
        groups = integer("groups", groups, 1)
        kernel = tuple(weight_shape[2:])
        _check_channels("weight", x_shape[1], weight_shape, groups, layout)
        pads = paddings(padding, x_shape[2:], kernel, stride, dilation)
        return _build(x_shape, weight_shape[0], kernel, stride, pads, dilation, groups)

    @classmethod
    def from_input_grad(
        cls,
        grad_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        input_shape: Any,
        *,
        layout: Layout | None = None,
        **parameters: Any,
    ) -> "ConvGeometry":
        """Return the geometry from the shapes that the input gradient is given; `input_shape` is channels first.

        Raises
        ------
        ShapeError
            As `forward`, and if `grad_shape` is not the shape of the convolution's output.
        """
        geometry = cls.forward(input_shape, weight_shape, layout=layout, **parameters)
        _check_grad(grad_shape, geometry, layout)
        return geometry

    @classmethod
    def from_weight_grad(
        cls,
        grad_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
        kernel_size: Any,
        *,
        groups: Any = 1,
        layout: Layout | None = None,
        **parameters: Any,
    ) -> "ConvGeometry":
        """Return the geometry from the shapes that the weight gradient is given.

        Raises
        ------
        ShapeError
            As `forward`, and if `grad_shape` is not the shape of the convolution's output.
        """
        kernel = per_axis("kernel_size", kernel_size, len(x_shape) - 2)
        groups = integer("groups", groups, 1)
        _check_groups(groups, x_shape[1], "the input's")
        weight_shape = (grad_shape[1], x_shape[1] // groups, *kernel)
        geometry = cls.forward(x_shape, weight_shape, groups=groups, layout=layout, **parameters)
        _check_grad(grad_shape, geometry, layout)
        return geometry

    @classmethod
    def transposed(
        cls,
        x_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        *,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: Any = 1,
        dilation: Any = 1,
        layout: Layout | None = None,
    ) -> "ConvGeometry":
        """Return the geometry of the convolution whose input gradient is this transposed convolution.

        Parameters
        ----------
        x_shape : tuple of int
            (N, C_in, *spatial) of the transposed convolution's input: the other convolution's output.
        weight_shape : tuple of int
            (C_in, C_out / groups, *kernel_size).
        output_padding
            Extra positions at the end of each axis of the result, less than the stride or the dilation: they choose
            among the sizes that a strided convolution maps to the same one.

        Raises
        ------
        ShapeError
            If the shapes contradict each other or the parameters, or the result would be empty.
        """
        axes = len(x_shape) - 2
        stride = per_axis("stride", stride, axes)
        dilation = per_axis("dilation", dilation, axes)
        extra = per_axis("output_padding", output_padding, axes, minimum=0)
        groups = integer("groups", groups, 1)
        kernel = tuple(weight_shape[2:])
        if weight_shape[0] != x_shape[1]:
            raise ShapeError(
                f"The transposed weight's first (input-channel) axis must equal the input's channels, "
                f"but the weight has {weight_shape[0]} and the input {x_shape[1]}; check the layout and the order of "
                f"the axes."
            )
        _check_groups(groups, x_shape[1], "the input's")
        _check_sizes(x_shape, kernel, weight_shape[1])
        pads = paddings(padding, x_shape[2:], kernel, stride, dilation, allow_same=False)
        result = []
        for axis, (length, k, s, (before, after), d, op) in enumerate(
            zip(x_shape[2:], kernel, stride, pads, dilation, extra)
        ):
            if op >= max(s, d):
                raise ShapeError(
                    f"output_padding must be less than the stride or the dilation, but on axis {axis} it is {op} "
                    f"with stride {s} and dilation {d}; use {max(s, d) - 1} at most."
                )
            size = (length - 1) * s + effective_kernel(k, d) - before - after + op
            if size < 1:
                raise ShapeError(
                    f"A transposed convolution's result must not be empty, but axis {axis} would have "
                    f"({length} - 1)·{s} + {effective_kernel(k, d)} - {before} - {after} + {op} = {size} positions; "
                    f"use less padding."
                )
            result.append(size)
        geometry = cls(
            batch=x_shape[0],
            in_channels=weight_shape[1] * groups,
            out_channels=x_shape[1],
            input_size=tuple(result),
            kernel_size=kernel,
            output_size=tuple(x_shape[2:]),
            stride=stride,
            padding=pads,
            dilation=dilation,
            groups=groups,
        )
        _check_addressable(geometry, x="result", out="input")
        return geometry


@lru_cache(maxsize=4096)
def _build(
    x_shape: tuple[int, ...],
    out_channels: int,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
) -> ConvGeometry:
    """Check the sizes and work out the output's; the arguments are canonical, so equal calls share one record."""
    _check_sizes(x_shape, kernel, out_channels)
    output = []
    for axis, (length, k, s, pad, d) in enumerate(zip(x_shape[2:], kernel, stride, pads, dilation)):
        out = output_length(length, k, s, pad, d)
        if out < 1:
            covers = effective_kernel(k, d)
            raise ShapeError(
                f"The kernel must fit into the padded input, but on spatial axis {axis} it covers {covers} positions "
                f"(size {k}, dilation {d}) and the input has {length} + {pad[0]} + {pad[1]} padded; "
                f"use a larger input, more padding or a smaller kernel."
            )
        output.append(out)
    geometry = ConvGeometry(
        batch=x_shape[0],
        in_channels=x_shape[1],
        out_channels=out_channels,
        input_size=tuple(x_shape[2:]),
        kernel_size=kernel,
        output_size=tuple(output),
        stride=stride,
        padding=pads,
        dilation=dilation,
        groups=groups,
    )
    _check_addressable(geometry)
    return geometry


def _check_addressable(geometry: ConvGeometry, x: str = "input", out: str = "output") -> None:
    for name, shape in (
        (x, geometry.x_shape),
        ("weight", geometry.weight_shape),
        (out, geometry.out_shape),
        (f"padded {x}", (geometry.batch, geometry.in_channels, *geometry.span)),
    ):
        if prod(max(size, 1) for size in shape) > _MOST_ELEMENTS:
            raise ShapeError(
                f"An array can have {_MOST_ELEMENTS:,} elements at most, but the {name} would have the shape {shape} "
                f"(channels first); use smaller sizes, strides or padding."
            )


def _check_sizes(x_shape: tuple[int, ...], kernel: tuple[int, ...], out_channels: int) -> None:
    if min(x_shape[1:]) < 1:
        raise ShapeError(
            f"Every axis of the input but the batch must have at least one element, "
            f"but its shape is {x_shape} (channels first)."
        )
    if min(kernel) < 1 or out_channels < 1:
        raise ShapeError(
            f"The weight must have at least one output channel and one element per kernel axis, "
            f"but it has {out_channels} channels and kernel {kernel}."
        )


def _check_channels(
    name: str, channels: int, weight_shape: tuple[int, ...], groups: int, layout: Layout | None
) -> None:
    _check_groups(groups, channels, "the input's")
    _check_groups(groups, weight_shape[0], "the output")
    if weight_shape[1] * groups != channels:
        where = f" (layout {layout.name})" if layout else ""
        raise ShapeError(
            f"The {name}'s input channels times groups must equal the input's channels, "
            f"but {weight_shape[1]} · {groups} = {weight_shape[1] * groups} and the input has {channels}{where}; "
            f"check the layout, groups and the order of the axes."
        )


def _check_groups(groups: int, channels: int, whose: str) -> None:
    if channels % groups:
        raise ShapeError(
            f"groups must divide {whose} channels, but {groups} does not divide {channels}; "
            f"use a divisor of {channels}."
        )


def _check_grad(grad_shape: tuple[int, ...], geometry: ConvGeometry, layout: Layout | None) -> None:
    if tuple(grad_shape) != geometry.out_shape:
        raise ShapeError(
            f"grad_output must have the shape of the convolution's output, {geometry.out_shape} (channels first), "
            f"but its shape is {tuple(grad_shape)}; check input_size, stride, padding and dilation."
        )
