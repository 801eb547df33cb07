"""Residual networks: ResNet-18 and ResNet-50, for large images and for small ones."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.shapes.shaping import flatten
from sevenloops.nn import init
from sevenloops.nn.activation import ReLU
from sevenloops.nn.container import Sequential
from sevenloops.nn.conv import Conv2d
from sevenloops.nn.fusion import run
from sevenloops.nn.linear import Linear
from sevenloops.nn.module import Module
from sevenloops.nn.norm import BatchNorm2d
from sevenloops.nn.pooling import AdaptiveAvgPool2d, MaxPool2d
from sevenloops.nn.residual import Identity

__all__ = ["ResNet", "ResNet18", "ResNet50"]


class _Maker:
    """Makes convolutions and normalisations that share algorithm, dtype and generator."""

    def __init__(self, algorithm: str, dtype: npt.DTypeLike, rng: np.random.Generator) -> None:
        self._algorithm, self._dtype, self._rng = algorithm, dtype, rng

    def conv(self, channels: int, maps: int, kernel: int, stride: int = 1) -> Conv2d:
        """Return a convolution without bias, since what normalises its result subtracts it again."""
        layer = Conv2d(
            channels,
            maps,
            kernel,
            stride,
            kernel // 2,
            bias=False,
            algorithm=self._algorithm,
            dtype=self._dtype,
            rng=self._rng,
        )
        init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", rng=self._rng)
        return layer

    def norm(self, maps: int) -> BatchNorm2d:
        return BatchNorm2d(maps, dtype=self._dtype)

    def linear(self, features: int, classes: int) -> Linear:
        return Linear(features, classes, dtype=self._dtype, rng=self._rng)


class _Block(Module):
    """What both kinds of block share: relu(branch(x) + shortcut(x))."""

    expansion: ClassVar[int]

    relu: ReLU
    downsample: Sequential | None

    def _shortcut(self, make: _Maker, channels: int, maps: int, stride: int) -> None:
        """Set `downsample`: a 1×1 convolution where the branch changes the shape, otherwise nothing."""
        needed = stride != 1 or channels != maps
        shortcut = Sequential(make.conv(channels, maps, 1, stride), make.norm(maps)) if needed else None
        self.add_module("downsample", shortcut)

    def _joined(self, last: Sequence[Module], y: Any, x: Any) -> Any:
        """Return the block's result, where the branch makes y of x and its last modules are still to be called."""
        return run(last, y, x if self.downsample is None else self.downsample(x), self.relu)


class _Basic(_Block):
    """Two 3×3 convolutions; the first has the stride."""

    expansion = 1

    def __init__(self, make: _Maker, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = make.conv(channels, width, 3, stride), make.norm(width)
        self.relu = ReLU()
        self.conv2, self.bn2 = make.conv(width, width, 3), make.norm(width)
        self._shortcut(make, channels, width, stride)

    def forward(self, x: Any) -> Any:
        y = run((self.conv1, self.bn1, self.relu), x)
        return self._joined((self.conv2, self.bn2), y, x)


class _Bottleneck(_Block):
    """A 1×1 convolution to fewer maps, a 3×3 one, which has the stride, and a 1×1 one to four times as many."""

    expansion = 4

    def __init__(self, make: _Maker, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = make.conv(channels, width, 1), make.norm(width)
        self.conv2, self.bn2 = make.conv(width, width, 3, stride), make.norm(width)
        self.conv3, self.bn3 = make.conv(width, 4 * width, 1), make.norm(4 * width)
        self.relu = ReLU()
        self._shortcut(make, channels, 4 * width, stride)

    def forward(self, x: Any) -> Any:
        y = run((self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu), x)
        return self._joined((self.conv3, self.bn3), y, x)


class ResNet(Module):
    """What `ResNet18` and `ResNet50` share: a stem, four stages of residual blocks, a mean over pixels, a linear map.

    The stages have 64, 128, 256 and 512 maps (times the block's expansion); each but the first halves the size.
    """

    block: ClassVar[type[_Basic] | type[_Bottleneck]]
    depths: ClassVar[Sequence[int]]

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        small_images: bool = False,
        algorithm: str = "auto",
        rng: init.Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        make = _Maker(algorithm, dtype, np.random.default_rng(rng))
        self.conv1 = make.conv(in_channels, 64, 3) if small_images else make.conv(in_channels, 64, 7, 2)
        self.bn1 = make.norm(64)
        self.relu = ReLU()
        self.maxpool = Identity() if small_images else MaxPool2d(3, 2, 1)
        channels = 64
        for stage, depth in enumerate(self.depths):
            blocks = []
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                blocks.append(self.block(make, channels, 64 << stage, stride))
                channels = (64 << stage) * self.block.expansion
            self.add_module(f"layer{stage + 1}", Sequential(*blocks))
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = make.linear(channels, num_classes)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the logits, (N, num_classes), of images (N, in_channels, H, W)."""
        x = self.maxpool(run((self.conv1, self.bn1, self.relu), x))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(flatten(self.avgpool(x), 1))


class ResNet18(ResNet):
    """ResNet-18: blocks of two 3×3 convolutions; for images of about 224×224 or, in its CIFAR form, 32×32.

    Its parameters have the names and shapes of torchvision's ``resnet18``.

    Parameters
    ----------
    num_classes, in_channels : int
    small_images : bool
        The form for CIFAR: the first convolution is 3×3 with stride 1 instead of 7×7 with stride 2, and no pooling
        comes after it.
    algorithm : str
        That of the convolutions: one of `sevenloops.algorithms()`, or "auto".
    rng : Generator, seed or None
        Where the initial weights are drawn from: kaiming_normal_ by fan_out for convolutions, `Linear`'s own rule for
        the last layer.
    dtype : float16, float32 or float64
        Of the parameters, and so of the images.

    References
    ----------
    K. He et al., "Deep residual learning for image recognition", arXiv 1512.03385.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import models
    >>> model = models.ResNet18(10, small_images=True, rng=0)
    >>> model(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 10)
    >>> sum(p.size for p in model.parameters())
    11173962
    """

    block = _Basic
    depths = (2, 2, 2, 2)


class ResNet50(ResNet):
    """ResNet-50: bottlenecks, strided in the 3×3; for images of about 224×224 or, in its CIFAR form, 32×32.

    Its parameters have the names and shapes of torchvision's ``resnet50``.

    Parameters
    ----------
    num_classes, in_channels : int
    small_images : bool
        The form for CIFAR: the first convolution is 3×3 with stride 1 instead of 7×7 with stride 2, and no pooling
        comes after it.
    algorithm : str
        That of the convolutions: one of `sevenloops.algorithms()`, or "auto".
    rng : Generator, seed or None
        Where the initial weights are drawn from: kaiming_normal_ by fan_out for convolutions, `Linear`'s own rule for
        the last layer.
    dtype : float16, float32 or float64
        Of the parameters, and so of the images.

    References
    ----------
    K. He et al., "Deep residual learning for image recognition", arXiv 1512.03385.

    Examples
    --------
    >>> from sevenloops.nn import models
    >>> sum(p.size for p in models.ResNet50(rng=0).parameters())
    25557032
    """

    block = _Bottleneck
    depths = (3, 4, 6, 3)
