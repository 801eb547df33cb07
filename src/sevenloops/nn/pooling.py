"""Pooling as layers."""

from collections.abc import Callable
from typing import Any, ClassVar

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from sevenloops.geometry.arguments import PaddingLike, SizeLike
from sevenloops.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class _Pool(Module):
    """What all pooling layers share: the function of their name, and the arguments that they pass on to it."""

    function: ClassVar[Callable[..., Any]]
    names: ClassVar[tuple[str, ...]]

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.names}

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the pooled x, (N, C, *spatial) or without N; with return_indices, also where each maximum was."""
        return type(self).function(x, **self._arguments())


class _MaxPool(_Pool):
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices", "algorithm")

    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: PaddingLike = 0,
        dilation: SizeLike = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        algorithm: str = "auto",
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        self.algorithm = algorithm

    def extra_repr(self) -> str:
        """Return the arguments."""
        shown = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{shown}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class _AvgPool(_Pool):
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override", "algorithm")

    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: PaddingLike = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        algorithm: str = "auto",
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        self.algorithm = algorithm

    def extra_repr(self) -> str:
        """Return the arguments that PyTorch shows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptiveAvgPool(_Pool):
    names = ("output_size",)

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_Pool):
    names = ("output_size", "return_indices")

    def __init__(self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"


class MaxPool1d(_MaxPool):
    """The maximum of each window over one axis; see `sevenloops.max_pool1d`.

    Parameters
    ----------
    kernel_size, stride, dilation : int or sequence of 1
        The stride is the kernel size if not given.
    padding : int, sequence of 1 ints or pairs (before, after), "valid" or "same"
        Counts as -inf; less than the effective kernel.
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.
    ceil_mode : bool
        Whether a last window may hang over the end.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.MaxPool1d(2)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 4)
    """

    function = max_pool1d


class MaxPool2d(_MaxPool):
    """The maximum of each window over two axes; see `sevenloops.max_pool2d`.

    Parameters
    ----------
    kernel_size, stride, dilation : int or sequence of 2
        The stride is the kernel size if not given.
    padding : int, sequence of 2 ints or pairs (before, after), "valid" or "same"
        Counts as -inf; less than the effective kernel.
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.
    ceil_mode : bool
        Whether a last window may hang over the end.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.MaxPool2d(2)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 3, 3, 4)
    """

    function = max_pool2d


class MaxPool3d(_MaxPool):
    """The maximum of each window over three axes; see `sevenloops.max_pool3d`.

    Parameters
    ----------
    kernel_size, stride, dilation : int or sequence of 3
        The stride is the kernel size if not given.
    padding : int, sequence of 3 ints or pairs (before, after), "valid" or "same"
        Counts as -inf; less than the effective kernel.
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.
    ceil_mode : bool
        Whether a last window may hang over the end.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.MaxPool3d(2)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 2, 3, 4)
    """

    function = max_pool3d


class AvgPool1d(_AvgPool):
    """The average of each window over one axis; see `sevenloops.avg_pool1d`.

    Parameters
    ----------
    kernel_size, stride : int or sequence of 1
        The stride is the kernel size if not given.
    padding : int, sequence of 1 ints or pairs (before, after), "valid" or "same"
        Less than the kernel.
    ceil_mode : bool
        Whether a last window may hang over the end.
    count_include_pad : bool
        Whether zeros of the padding count as elements.
    divisor_override : int, optional
        Divides the sums in place of the number of elements.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AvgPool1d(2)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 4)
    """

    function = avg_pool1d


class AvgPool2d(_AvgPool):
    """The average of each window over two axes; see `sevenloops.avg_pool2d`.

    Parameters
    ----------
    kernel_size, stride : int or sequence of 2
        The stride is the kernel size if not given.
    padding : int, sequence of 2 ints or pairs (before, after), "valid" or "same"
        Less than the kernel.
    ceil_mode : bool
        Whether a last window may hang over the end.
    count_include_pad : bool
        Whether zeros of the padding count as elements.
    divisor_override : int, optional
        Divides the sums in place of the number of elements.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AvgPool2d(2)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 3, 3, 4)
    """

    function = avg_pool2d


class AvgPool3d(_AvgPool):
    """The average of each window over three axes; see `sevenloops.avg_pool3d`.

    Parameters
    ----------
    kernel_size, stride : int or sequence of 3
        The stride is the kernel size if not given.
    padding : int, sequence of 3 ints or pairs (before, after), "valid" or "same"
        Less than the kernel.
    ceil_mode : bool
        Whether a last window may hang over the end.
    count_include_pad : bool
        Whether zeros of the padding count as elements.
    divisor_override : int, optional
        Divides the sums in place of the number of elements.
    algorithm : str

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AvgPool3d(2)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 2, 3, 4)
    """

    function = avg_pool3d


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The average of each of as many windows as wanted, over one axis; see `sevenloops.adaptive_avg_pool1d`.

    Parameters
    ----------
    output_size : int, or sequence of 1 ints, None for the size of the input

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveAvgPool1d(2)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 2)
    """

    function = adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The average of each of as many windows as wanted, over two axes; see `sevenloops.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int, or sequence of 2 ints, None for the size of the input

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveAvgPool2d(2)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 3, 2, 2)
    """

    function = adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The average of each of as many windows as wanted, over three axes; see `sevenloops.adaptive_avg_pool3d`.

    Parameters
    ----------
    output_size : int, or sequence of 3 ints, None for the size of the input

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveAvgPool3d(2)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 2, 2, 2)
    """

    function = adaptive_avg_pool3d


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maximum of each of as many windows as wanted, over one axis; see `sevenloops.adaptive_max_pool1d`.

    Parameters
    ----------
    output_size : int, or sequence of 1 ints, None for the size of the input
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveMaxPool1d(2)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 2)
    """

    function = adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maximum of each of as many windows as wanted, over two axes; see `sevenloops.adaptive_max_pool2d`.

    Parameters
    ----------
    output_size : int, or sequence of 2 ints, None for the size of the input
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveMaxPool2d(2)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 3, 2, 2)
    """

    function = adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maximum of each of as many windows as wanted, over three axes; see `sevenloops.adaptive_max_pool3d`.

    Parameters
    ----------
    output_size : int, or sequence of 3 ints, None for the size of the input
    return_indices : bool
        Whether the result is a pair, with the place of each maximum in its flattened map.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.AdaptiveMaxPool3d(2)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 2, 2, 2)
    """

    function = adaptive_max_pool3d
