"""Normalisation of each sample by itself: in groups of channels, in rows, among neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.norms.channels import group_norm
from sevenloops.functional.norms.neighbours import local_response_norm
from sevenloops.functional.norms.rows import layer_norm, normalized_shape_tuple, rms_norm
from sevenloops.geometry.arguments import finite, flag, integer
from sevenloops.nn.module import Module
from sevenloops.nn.norm.affine import Affine

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class GroupNorm(Affine):
    """Groups of neighbouring channels of each image normalised together; see `sevenloops.group_norm`.

    Parameters
    ----------
    num_groups, num_channels : int
        The groups divide the channels.
    eps : float
        Added to the variance.
    affine, bias : bool
        Whether the result is multiplied by a learned weight, and whether then a learned bias is added.
    dtype : float16, float32 or float64

    Attributes
    ----------
    weight, bias : Parameter, (num_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.GroupNorm(2, 6)(np.zeros((2, 6, 7, 9), np.float32)).shape
    (2, 6, 7, 9)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_groups = integer("num_groups", num_groups, 1)
        self.num_channels = integer("num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise ShapeError(
                f"num_groups must divide num_channels, but {self.num_groups} does not divide {self.num_channels}."
            )
        self.eps = finite("eps", eps)
        self.affine = flag("affine", affine)
        self.set_parameters((self.num_channels,), self.affine, bias, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, (N, num_channels, *spatial), normalised."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        shown = f"{self.num_groups}, {self.num_channels}, eps={self.eps}"
        return f"{shown}, affine={self.affine}, bias={self.bias is not None}"


class LayerNorm(Affine):
    """The last axes normalised together; see `sevenloops.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The last lengths of the inputs' shape.
    eps : float
        Added to the variance.
    elementwise_affine, bias : bool
        Whether the result is multiplied by a learned weight, and whether then a learned bias is added.
    dtype : float16, float32 or float64

    Attributes
    ----------
    weight, bias : Parameter, of the normalized shape, or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LayerNorm(9)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 9)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape = normalized_shape_tuple(normalized_shape)
        self.eps = finite("eps", eps)
        self.elementwise_affine = flag("elementwise_affine", elementwise_affine)
        self.set_parameters(self.normalized_shape, self.elementwise_affine, bias, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, (*, *normalized_shape), normalised."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        shown = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{shown}, bias={self.bias is not None}"


class RMSNorm(Affine):
    """The last axes divided by their root mean square; see `sevenloops.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The last lengths of the inputs' shape.
    eps : float, optional
        Added to the mean square; otherwise the distance from 1 to the next number of the dtype.
    elementwise_affine : bool
        Whether the result is multiplied by a learned weight.
    dtype : float16, float32 or float64

    Attributes
    ----------
    weight : Parameter, of the normalized shape, or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.RMSNorm(9)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 9)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape = normalized_shape_tuple(normalized_shape)
        self.eps = None if eps is None else finite("eps", eps)
        self.elementwise_affine = flag("elementwise_affine", elementwise_affine)
        self.set_parameters(self.normalized_shape, self.elementwise_affine, False, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, (*, *normalized_shape), normalised."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Each value divided by a power of the mean square of its neighbours; see `sevenloops.local_response_norm`.

    Parameters
    ----------
    size : int
        How many channels count.
    alpha, beta, k : float

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.LocalResponseNorm(5)(np.zeros((2, 6, 7, 9), np.float32)).shape
    (2, 6, 7, 9)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = integer("size", size, 1)
        self.alpha, self.beta, self.k = finite("alpha", alpha), finite("beta", beta), finite("k", k)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, (N, C, *spatial), normalised."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
