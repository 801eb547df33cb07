"""Max unpooling as layers."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling import max_unpool1d, max_unpool2d, max_unpool3d
from sevenloops.geometry.arguments import SizeLike, per_axis
from sevenloops.nn.module import Module

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


class _MaxUnpool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: SizeLike, stride: SizeLike | None = None, padding: SizeLike = 0) -> None:
        super().__init__()
        self.kernel_size = per_axis("kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis("stride", stride, self.axes)
        self.padding = per_axis("padding", padding, self.axes, minimum=0)

    def forward(self, x: Tensor | ArrayLike, indices: ArrayLike, output_size: Sequence[int] | None = None) -> Any:
        """Return x, (N, C, *spatial) or without N, with its values where the indices say, and zeros elsewhere."""
        return type(self).function(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Each maximum of a pooling over one axis where it was, with zeros elsewhere; see `sevenloops.max_unpool1d`.

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of 1
        Those of the pooling; the stride is the kernel size if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> y, indices = nn.MaxPool1d(2, return_indices=True)(np.zeros((2, 3, 8), np.float32))
    >>> nn.MaxUnpool1d(2)(y, indices).shape
    (2, 3, 8)
    """

    axes = 1
    function = staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Each maximum of a pooling over two axes where it was, with zeros elsewhere; see `sevenloops.max_unpool2d`.

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of 2
        Those of the pooling; the stride is the kernel size if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> y, indices = nn.MaxPool2d(2, return_indices=True)(np.zeros((2, 3, 7, 9), np.float32))
    >>> nn.MaxUnpool2d(2)(y, indices, output_size=(7, 9)).shape
    (2, 3, 7, 9)
    """

    axes = 2
    function = staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Each maximum of a pooling over three axes where it was, with zeros elsewhere; see `sevenloops.max_unpool3d`.

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of 3
        Those of the pooling; the stride is the kernel size if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> y, indices = nn.MaxPool3d(2, return_indices=True)(np.zeros((2, 3, 4, 4, 6), np.float32))
    >>> nn.MaxUnpool3d(2)(y, indices).shape
    (2, 3, 4, 4, 6)
    """

    axes = 3
    function = staticmethod(max_unpool3d)
