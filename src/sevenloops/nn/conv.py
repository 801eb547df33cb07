"""Convolutions as layers: one layer for any number of axes, and thin classes with PyTorch's names."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.conv import registry
from sevenloops.errors import ShapeError
from sevenloops.functional.convolution import conv1d, conv2d, conv3d
from sevenloops.functional.shapes.padding import pad
from sevenloops.geometry.arguments import PaddingLike, SizeLike, integer, paddings, per_axis
from sevenloops.nn.affine import weight_and_bias
from sevenloops.nn.init import Rng
from sevenloops.nn.module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvNd"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvNd(Module):
    """What convolutions and transposed convolutions of all dimensions share: checked arguments, and the repr."""

    axes: ClassVar[int]
    transposed: ClassVar[bool]
    function: ClassVar[Callable[..., Any]]

    weight: Parameter
    bias: Parameter | None
    output_padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: SizeLike,
        stride: SizeLike,
        padding: PaddingLike,
        output_padding: SizeLike,
        dilation: SizeLike,
        groups: int,
        bias: bool,
        padding_mode: str,
        algorithm: str,
        max_workspace: int | None,
        dtype: npt.DTypeLike,
        rng: Rng,
    ) -> None:
        super().__init__()
        self.in_channels = integer("in_channels", in_channels, 1)
        self.out_channels = integer("out_channels", out_channels, 1)
        self.groups = integer("groups", groups, 1)
        for name, count in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if count % self.groups:
                raise ShapeError(f"groups must divide {name}, but {self.groups} does not divide {count}.")
        self.kernel_size = per_axis("kernel_size", kernel_size, self.axes)
        self.stride = per_axis("stride", stride, self.axes)
        self.dilation = per_axis("dilation", dilation, self.axes)
        self.output_padding = per_axis("output_padding", output_padding, self.axes, minimum=0)
        self.padding = self._canonical(padding)
        modes = _PADDING_MODES[:1] if self.transposed else _PADDING_MODES
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be {' or '.join(map(repr, modes))}, but got {padding_mode!r}.")
        self.padding_mode = padding_mode
        if algorithm != "auto":
            registry.get(algorithm)
        self.algorithm = algorithm
        self.max_workspace = None if max_workspace is None else integer("max_workspace", max_workspace, 0)
        channels = (self.in_channels, self.out_channels)
        first, second = channels if self.transposed else reversed(channels)
        shape = (first, second // self.groups, *self.kernel_size)
        self.weight, self.bias = weight_and_bias(shape, self.out_channels, bias, dtype, rng)

    def _canonical(self, padding: PaddingLike) -> PaddingLike:
        """Return a name as it is, and anything else as one integer per axis, or one pair where a pair is uneven."""
        pads = paddings(
            padding, (1,) * self.axes, self.kernel_size, self.stride, self.dilation, allow_same=not self.transposed
        )
        if isinstance(padding, str):
            return padding
        return pads if any(before != after for before, after in pads) else tuple(before for before, _ in pads)

    def extra_repr(self) -> str:
        """Return the arguments, without those that have their default."""
        shown = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        defaults = {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}
        shown += "".join(
            f", {name}={getattr(self, name)}" for name in defaults if getattr(self, name) != defaults[name]
        )
        if self.bias is None:
            shown += ", bias=False"
        if self.padding_mode != "zeros":
            shown += f", padding_mode={self.padding_mode}"
        return shown if self.algorithm == "auto" else f"{shown}, algorithm={self.algorithm}"

    @property
    def keywords(self) -> dict[str, Any]:
        """What the layer gives its function beside arrays."""
        names = ("stride", "padding", "dilation", "groups", "algorithm", "max_workspace")
        return {name: getattr(self, name) for name in names}


class _Conv(ConvNd):
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: SizeLike,
        stride: SizeLike = 1,
        padding: PaddingLike = 0,
        dilation: SizeLike = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        algorithm: str = "auto",
        max_workspace: int | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            algorithm,
            max_workspace,
            dtype,
            rng,
        )

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the convolution of x, (N, C_in, *spatial) or without N."""
        keywords = self.keywords
        if self.padding_mode != "zeros" and np.ndim(x) > self.axes:
            sizes = np.shape(x)[-self.axes :]
            pads = paddings(keywords["padding"], sizes, self.kernel_size, self.stride, self.dilation)
            x = pad(x, [count for pair in reversed(pads) for count in pair], self.padding_mode)
            keywords["padding"] = 0
        return type(self).function(x, self.weight, self.bias, **keywords)


class Conv1d(_Conv):
    """Convolution over one axis, as a layer; the kernel is not flipped (see `sevenloops.conv1d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 1
    padding : int, sequence of 1 ints or pairs (before, after), "valid" or "same"
    groups : int
        Divides both numbers of channels.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the input is padded with (see `sevenloops.pad`).
    algorithm : str
        One of `sevenloops.algorithms()`, or "auto".
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.
    dtype : float16, float32 or float64
        Of the parameters, and so of the inputs.
    rng : Generator, seed or None
        Where the initial weight and bias are drawn from: evenly from ±1 / √(in_channels / groups · taps).

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Conv1d(3, 8, 5, padding="same")(np.zeros((2, 3, 7), np.float32)).shape
    (2, 8, 7)
    """

    axes = 1
    function = conv1d


class Conv2d(_Conv):
    """Convolution over two axes, as a layer; the kernel is not flipped (see `sevenloops.conv2d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 2
    padding : int, sequence of 2 ints or pairs (before, after), "valid" or "same"
    groups : int
        Divides both numbers of channels.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the input is padded with (see `sevenloops.pad`).
    algorithm : str
        One of `sevenloops.algorithms()`, or "auto".
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.
    dtype : float16, float32 or float64
        Of the parameters, and so of the inputs.
    rng : Generator, seed or None
        Where the initial weight and bias are drawn from: evenly from ±1 / √(in_channels / groups · taps).

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, kH, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Conv2d(3, 8, 5, padding="same")(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 8, 7, 9)
    """

    axes = 2
    function = conv2d


class Conv3d(_Conv):
    """Convolution over three axes, as a layer; the kernel is not flipped (see `sevenloops.conv3d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 3
    padding : int, sequence of 3 ints or pairs (before, after), "valid" or "same"
    groups : int
        Divides both numbers of channels.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the input is padded with (see `sevenloops.pad`).
    algorithm : str
        One of `sevenloops.algorithms()`, or "auto".
    max_workspace : int, optional
        Bytes that the algorithm may allocate beyond its result.
    dtype : float16, float32 or float64
        Of the parameters, and so of the inputs.
    rng : Generator, seed or None
        Where the initial weight and bias are drawn from: evenly from ±1 / √(in_channels / groups · taps).

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, kD, kH, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Conv3d(3, 8, 5, padding="same")(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 8, 5, 7, 9)
    """

    axes = 3
    function = conv3d
