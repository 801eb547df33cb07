"""VGG-16: nothing but 3×3 convolutions, deep."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.shapes.shaping import flatten
from sevenloops.nn import init
from sevenloops.nn.activation import ReLU
from sevenloops.nn.container import Sequential
from sevenloops.nn.conv import Conv2d
from sevenloops.nn.dropout import Dropout
from sevenloops.nn.linear import Linear
from sevenloops.nn.module import Module
from sevenloops.nn.pooling import AdaptiveAvgPool2d, MaxPool2d

__all__ = ["VGG16", "vgg16_features"]

#: The maps of the convolutions between two pools, from the image to the smallest maps.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16_features(
    in_channels: int = 3, *, algorithm: str = "auto", rng: init.Rng = None, dtype: npt.DTypeLike = np.float32
) -> Sequential:
    """Return VGG-16 without its classifier: 13 convolutions 3×3, each with ReLU, and 5 poolings that halve the size.

    Parameters
    ----------
    in_channels, algorithm, rng, dtype
        As in `VGG16`.

    Returns
    -------
    Sequential
        From (N, in_channels, H, W) to (N, 512, H // 32, W // 32).

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import models
    >>> models.vgg16_features(rng=0)(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 512, 1, 1)
    """
    generator = np.random.default_rng(rng)
    layers: list[Module] = []
    channels = in_channels
    for block in _BLOCKS:
        for maps in block:
            conv = Conv2d(channels, maps, 3, padding=1, algorithm=algorithm, dtype=dtype, rng=generator)
            init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", rng=generator)
            if conv.bias is not None:
                init.zeros_(conv.bias)
            layers += [conv, ReLU()]
            channels = maps
        layers.append(MaxPool2d(2))
    return Sequential(*layers)


class VGG16(Module):
    """VGG-16 (configuration D of the paper, without batch normalisation), for images of 32×32 or more.

    Its parameters have the names and shapes of torchvision's ``vgg16``.

    Parameters
    ----------
    num_classes, in_channels : int
    dropout : float
        The share of the features before each of the last two layers that a training step leaves out.
    algorithm : str
        That of the convolutions: one of `sevenloops.algorithms()`, or "auto".
    rng : Generator, seed or None
        Where the initial weights are drawn from: kaiming_normal_ by fan_out for convolutions, a standard deviation of
        0.01 for the linear layers. Biases start at 0. Dropout goes on drawing from it.
    dtype : float16, float32 or float64
        Of the parameters, and so of the images.

    Attributes
    ----------
    features : Sequential
        What `vgg16_features` makes.
    avgpool : AdaptiveAvgPool2d
        Makes 7×7 of any size, as it comes from images of 224×224.
    classifier : Sequential
        Three linear layers.

    References
    ----------
    K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
    arXiv 1409.1556.

    Examples
    --------
    >>> from sevenloops.nn import models
    >>> model = models.VGG16(num_classes=10, rng=0)
    >>> list(model.state_dict())[-2:]
    ['classifier.6.weight', 'classifier.6.bias']
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        dropout: float = 0.5,
        algorithm: str = "auto",
        rng: init.Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        generator = np.random.default_rng(rng)
        self.features = vgg16_features(in_channels, algorithm=algorithm, rng=generator, dtype=dtype)
        self.avgpool = AdaptiveAvgPool2d(7)
        self.classifier = Sequential(
            Linear(512 * 7 * 7, 4096, dtype=dtype, rng=generator),
            ReLU(),
            Dropout(dropout, rng=generator),
            Linear(4096, 4096, dtype=dtype, rng=generator),
            ReLU(),
            Dropout(dropout, rng=generator),
            Linear(4096, num_classes, dtype=dtype, rng=generator),
        )
        for layer in self.classifier:
            if isinstance(layer, Linear):
                init.normal_(layer.weight, std=0.01, rng=generator)
                if layer.bias is not None:
                    init.zeros_(layer.bias)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the logits, (N, num_classes), of images (N, in_channels, H, W), or without N."""
        return self.classifier(flatten(self.avgpool(self.features(x)), -3))
