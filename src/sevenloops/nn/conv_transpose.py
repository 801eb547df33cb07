"""Transposed convolutions as layers, with PyTorch's names."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from sevenloops.geometry import ConvGeometry
from sevenloops.geometry.arguments import PaddingLike, SizeLike, per_axis
from sevenloops.nn.conv import ConvNd
from sevenloops.nn.init import Rng

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: SizeLike,
        stride: SizeLike = 1,
        padding: PaddingLike = 0,
        output_padding: SizeLike = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: SizeLike = 1,
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
            output_padding,
            dilation,
            groups,
            bias,
            padding_mode,
            algorithm,
            max_workspace,
            dtype,
            rng,
        )

    def forward(self, x: Tensor | ArrayLike, output_size: SizeLike | None = None) -> Any:
        """Return the transposed convolution of x, (N, C_in, *spatial) or without N.

        Parameters
        ----------
        x : Tensor or array_like
        output_size : int or sequence of int, optional
            The spatial size that the result shall have, in place of `output_padding`: it must be one of those that
            the stride leaves open.
        """
        extra = self.output_padding if output_size is None else self._output_padding(np.shape(x), output_size)
        return type(self).function(x, self.weight, self.bias, output_padding=extra, **self.keywords)

    def _output_padding(self, x_shape: tuple[int, ...], output_size: SizeLike) -> tuple[int, ...]:
        wanted = per_axis("output_size", output_size, self.axes)
        x_shape = x_shape if len(x_shape) == self.axes + 2 else (1, *x_shape)
        smallest = ConvGeometry.transposed(
            x_shape,
            self.weight.shape,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            dilation=self.dilation,
        ).input_size
        extra = tuple(want - least for want, least in zip(wanted, smallest))
        if any(e < 0 or e >= max(s, d) for e, s, d in zip(extra, self.stride, self.dilation)):
            limits = [least + max(s, d) - 1 for least, s, d in zip(smallest, self.stride, self.dilation)]
            raise ShapeError(
                f"output_size must be from {smallest} to {tuple(limits)} for an input of size {x_shape[2:]}, "
                f"but got {wanted}."
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over one axis, as a layer (see `sevenloops.conv_transpose1d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 1
    padding : int or sequence of 1 ints or pairs (before, after)
        Positions cut off the result on each side.
    output_padding : int or sequence of 1
        Positions added at the end of the result; `forward` can be told the size of the result instead.
    groups : int
        Divides both numbers of channels.
    padding_mode : "zeros"
        There is no other, as in PyTorch.
    bias, algorithm, max_workspace, dtype, rng
        As in `Conv1d`.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels / groups, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ConvTranspose1d(3, 8, 3, stride=2)(np.zeros((2, 3, 7), np.float32)).shape
    (2, 8, 15)
    """

    axes = 1
    function = conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over two axes, as a layer (see `sevenloops.conv_transpose2d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 2
    padding : int or sequence of 2 ints or pairs (before, after)
        Positions cut off the result on each side.
    output_padding : int or sequence of 2
        Positions added at the end of the result; `forward` can be told the size of the result instead.
    groups : int
        Divides both numbers of channels.
    padding_mode : "zeros"
        There is no other, as in PyTorch.
    bias, algorithm, max_workspace, dtype, rng
        As in `Conv2d`.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels / groups, kH, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ConvTranspose2d(3, 8, 3, stride=2)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 8, 15, 19)
    """

    axes = 2
    function = conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over three axes, as a layer (see `sevenloops.conv_transpose3d`).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or sequence of 3
    padding : int or sequence of 3 ints or pairs (before, after)
        Positions cut off the result on each side.
    output_padding : int or sequence of 3
        Positions added at the end of the result; `forward` can be told the size of the result instead.
    groups : int
        Divides both numbers of channels.
    padding_mode : "zeros"
        There is no other, as in PyTorch.
    bias, algorithm, max_workspace, dtype, rng
        As in `Conv3d`.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels / groups, kD, kH, kW)
    bias : Parameter, (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.ConvTranspose3d(3, 8, 3, stride=2)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 8, 11, 15, 19)
    """

    axes = 3
    function = conv_transpose3d
