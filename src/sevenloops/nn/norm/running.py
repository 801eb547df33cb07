"""Normalisation that keeps running statistics for evaluation: batch and instance norm."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.norms.channels import batch_norm, instance_norm
from sevenloops.geometry.arguments import finite, flag, integer
from sevenloops.nn.norm.affine import Affine

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _RunningNorm(Affine):
    """What batch and instance norm share: arguments, parameters, running statistics."""

    kind: ClassVar[str]
    axes: ClassVar[tuple[int, ...]]

    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        super().__init__()
        self.num_features = integer("num_features", num_features, 1)
        self.eps = finite("eps", eps)
        self.momentum = None if momentum is None else finite("momentum", momentum)
        self.affine = flag("affine", affine)
        self.track_running_stats = flag("track_running_stats", track_running_stats)
        self.set_parameters((self.num_features,), self.affine, bias, dtype)
        tracked = self.track_running_stats
        self.register_buffer("running_mean", np.zeros(self.num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(self.num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Set the running statistics to what they were at the start: mean 0, variance 1, no batch."""
        for buffer, start in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer[...] = start

    def _check(self, x: Tensor | ArrayLike) -> tuple[int, ...]:
        """Return the shape of x, if the layer takes it."""
        shape = np.shape(x)
        batchless = len(shape) + 1 == max(self.axes) and self.kind == "InstanceNorm"
        if len(shape) not in self.axes:
            raise ShapeError(
                f"{type(self).__name__} takes inputs of {' or '.join(map(str, self.axes))} axes, "
                f"but the shape is {shape}."
            )
        channels = shape[0 if batchless else 1]
        if channels != self.num_features:
            raise ShapeError(
                f"{type(self).__name__} was made for {self.num_features} channels, but the input has {channels}: "
                f"its shape is {shape}."
            )
        return shape

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningNorm):
    kind = "BatchNorm"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x normalised by channel: with its own statistics in training, else with the running ones."""
        self._check(x)
        count = self.num_batches_tracked
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.momentum is None and count is not None:
            momentum = 1 / (int(count) + 1)
        own = self.training or self.running_mean is None
        y = batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps)
        if self.training and count is not None:
            count += 1
        return y


class BatchNorm1d(_BatchNorm):
    """Each channel normalised by its mean and variance over the batch and its positions; see `sevenloops.batch_norm`.

    In training these are the batch's own, and running averages of them are kept; `eval` switches to those.

    Parameters
    ----------
    num_features : int
        The number of channels.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of a batch in the running statistics; with None these are the plain average over all batches.
    affine, bias : bool
        Whether the result is multiplied by a learned weight, and whether then a learned bias is added.
    track_running_stats : bool
        Whether there are running statistics; if not, a batch's own are used in evaluation too.
    dtype : float16, float32 or float64

    Attributes
    ----------
    weight, bias : Parameter, (num_features,), or None
        They start at 1 and 0.
    running_mean, running_var : ndarray, (num_features,), or None
    num_batches_tracked : ndarray of int64 without axes, or None

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.BatchNorm1d(3)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 9)
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of images normalised by its mean and variance; arguments as in `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> norm = nn.BatchNorm2d(3)
    >>> norm(np.ones((2, 3, 7, 9), np.float32)).shape
    (2, 3, 7, 9)
    >>> norm.running_mean, norm.num_batches_tracked
    (array([0.1, 0.1, 0.1], dtype=float32), array(1))
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Each channel of volumes normalised by its mean and variance; arguments as in `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.BatchNorm3d(3)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 5, 7, 9)
    """

    axes = (5,)


class _InstanceNorm(_RunningNorm):
    kind = "InstanceNorm"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(num_features, eps, finite("momentum", momentum), affine, track_running_stats, bias, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return x, (N, C, *spatial) or without N, with each channel of each image normalised."""
        shape = self._check(x)
        own = self.training or self.running_mean is None
        value = x if isinstance(x, Tensor) else np.asarray(x)
        batch = value if len(shape) == max(self.axes) else value[None]
        y = instance_norm(
            batch, self.running_mean, self.running_var, self.weight, self.bias, own, self.momentum or 0.0, self.eps
        )
        return y if batch is value else y[0]


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each image normalised by its mean and variance; see `sevenloops.instance_norm`.

    Parameters
    ----------
    num_features : int
        The number of channels.
    eps : float
        Added to the variance.
    momentum : float
        The weight of a batch in the running statistics.
    affine, bias : bool
        Whether the result is multiplied by a learned weight, and whether then a learned bias is added.
    track_running_stats : bool
        Whether running statistics are kept in training, to be used in evaluation.
    dtype : float16, float32 or float64

    Attributes
    ----------
    weight, bias : Parameter, (num_features,), or None
    running_mean, running_var : ndarray, (num_features,), or None
    num_batches_tracked : ndarray of int64 without axes, or None
        It stays 0, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.InstanceNorm1d(3)(np.zeros((2, 3, 9), np.float32)).shape
    (2, 3, 9)
    """

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image normalised by its mean and variance; arguments as in `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.InstanceNorm2d(3)(np.zeros((2, 3, 7, 9), np.float32)).shape
    (2, 3, 7, 9)
    """

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each volume normalised by its mean and variance; arguments as in `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.InstanceNorm3d(3)(np.zeros((2, 3, 5, 7, 9), np.float32)).shape
    (2, 3, 5, 7, 9)
    """

    axes = (4, 5)
