"""MobileNetV2: depthwise convolutions between narrow layers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.nn import init
from sevenloops.nn.activation import ReLU6
from sevenloops.nn.container import Sequential
from sevenloops.nn.conv import Conv2d
from sevenloops.nn.dropout import Dropout
from sevenloops.nn.fusion import run
from sevenloops.nn.linear import Linear
from sevenloops.nn.module import Module
from sevenloops.nn.norm import BatchNorm2d

__all__ = ["MobileNetV2"]

#: Table 2 of the paper: expansion, maps, how many blocks, stride of the first of them.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_FIRST, _LAST = 32, 1280


class _Maker:
    """Makes convolutions, each with its normalisation, that share algorithm, dtype and generator."""

    def __init__(self, algorithm: str, dtype: npt.DTypeLike, rng: np.random.Generator) -> None:
        self._algorithm, self._dtype, self._rng = algorithm, dtype, rng

    def linear(self, channels: int, maps: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[Module]:
        """Return a convolution without bias and what normalises its result."""
        conv = Conv2d(
            channels,
            maps,
            kernel,
            stride,
            kernel // 2,
            groups=groups,
            bias=False,
            algorithm=self._algorithm,
            dtype=self._dtype,
            rng=self._rng,
        )
        init.kaiming_normal_(conv.weight, mode="fan_out", rng=self._rng)
        return [conv, BatchNorm2d(maps, dtype=self._dtype)]

    def active(self, channels: int, maps: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Sequential:
        """Return the same with ReLU6 behind it, as one module."""
        return Sequential(*self.linear(channels, maps, kernel, stride, groups), ReLU6())


class _InvertedResidual(Module):
    """1×1 to more maps, 3×3 on each of them, 1×1 to few maps without activation; added to the input if it fits."""

    def __init__(self, make: _Maker, channels: int, maps: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers: list[Module] = [make.active(channels, wide)] if expansion > 1 else []
        layers.append(make.active(wide, wide, 3, stride, groups=wide))
        self.conv = Sequential(*layers, *make.linear(wide, maps))
        self.is_residual = stride == 1 and channels == maps

    def forward(self, x: Any) -> Any:
        if type(self.conv) is not Sequential or self.conv.has_hooks or not self.is_residual:
            y = self.conv(x)
            return x + y if self.is_residual else y
        return run(self.conv, x, x)


class MobileNetV2(Module):
    """MobileNetV2 of width 1, for images of about 224×224.

    Its parameters have the names and shapes of torchvision's ``mobilenet_v2``.

    Parameters
    ----------
    num_classes, in_channels : int
    dropout : float
        The share of the features before the last layer that a training step leaves out.
    algorithm : str
        That of the convolutions: one of `sevenloops.algorithms()`, or "auto".
    rng : Generator, seed or None
        Where the initial weights are drawn from: kaiming_normal_ by fan_out for convolutions, a standard deviation of
        0.01 for the last layer, whose bias starts at 0. Dropout goes on drawing from it.
    dtype : float16, float32 or float64
        Of the parameters, and so of the images.

    References
    ----------
    M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", arXiv 1801.04381.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import models
    >>> model = models.MobileNetV2(rng=0)
    >>> model(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 1000)
    >>> sum(p.size for p in model.parameters())
    3504872
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        dropout: float = 0.2,
        algorithm: str = "auto",
        rng: init.Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        generator = np.random.default_rng(rng)
        make = _Maker(algorithm, dtype, generator)
        layers: list[Module] = [make.active(in_channels, _FIRST, 3, 2)]
        channels = _FIRST
        for expansion, maps, count, stride in _STAGES:
            for number in range(count):
                layers.append(_InvertedResidual(make, channels, maps, 1 if number else stride, expansion))
                channels = maps
        self.features = Sequential(*layers, make.active(channels, _LAST))
        last = Linear(_LAST, num_classes, dtype=dtype, rng=generator)
        init.normal_(last.weight, std=0.01, rng=generator)
        if last.bias is not None:
            init.zeros_(last.bias)
        self.classifier = Sequential(Dropout(dropout, rng=generator), last)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the logits, (N, num_classes), of images (N, in_channels, H, W)."""
        return self.classifier(self.features(x).mean((2, 3)))
