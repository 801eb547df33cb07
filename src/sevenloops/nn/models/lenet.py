"""LeNet-5, the network that read cheques."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.functional.shapes.padding import pad
from sevenloops.functional.shapes.shaping import flatten
from sevenloops.nn import init
from sevenloops.nn.activation import ReLU, Tanh
from sevenloops.nn.conv import Conv2d
from sevenloops.nn.dropout import Dropout
from sevenloops.nn.linear import Linear
from sevenloops.nn.module import Module, Parameter
from sevenloops.nn.pooling import AvgPool2d, MaxPool2d

__all__ = ["LeNet5"]

_ACTIVATIONS: dict[str, Callable[[], Module]] = {"tanh": Tanh, "relu": ReLU}
_POOLS: dict[str, Callable[[int], Module]] = {"avg": AvgPool2d, "max": MaxPool2d}


class LeNet5(Module):
    """LeNet-5 for images of 28×28, which are padded to 32×32, or of 32×32.

        layer                    maps or features     size
        conv1   5×5                             6    28×28
        pool    2×2                             6    14×14
        conv2   5×5                            16    10×10
        pool    2×2                            16      5×5
        conv3   5×5                           120      1×1
        fc1                                    84
        fc2                           num_classes

    with an activation after every layer but the pools and the last. As in all of today's versions, pooling has no
    weights of its own, every map of conv2 sees all maps before it, and the last layer gives logits.

    Parameters
    ----------
    num_classes, in_channels : int
    activation : {"tanh", "relu"}
        The published one, or the modern one.
    pool : {"avg", "max"}
        The published one, or the modern one.
    dropout : float
        The share of fc1's features that each training step leaves out.
    algorithm : str
        That of the convolutions: one of `sevenloops.algorithms()`, or "auto".
    rng : Generator, seed or None
        Where the initial weights are drawn from: by xavier_uniform_ for tanh and kaiming_uniform_ for relu, with the
        gain of the activation. Biases start at 0. Dropout goes on drawing from it.
    dtype : float16, float32 or float64
        Of the parameters, and so of the images.

    Raises
    ------
    ValueError
        If there is no such activation, pooling or algorithm.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import models
    >>> model = models.LeNet5(rng=0)
    >>> model(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    >>> sum(p.size for p in model.parameters())
    61706
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: str = "tanh",
        pool: str = "avg",
        *,
        dropout: float = 0.0,
        algorithm: str = "auto",
        rng: init.Rng = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        for name, value, known in (("activation", activation, _ACTIVATIONS), ("pool", pool, _POOLS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, but got {value!r}.")
        self.conv1 = Conv2d(in_channels, 6, 5, algorithm=algorithm, dtype=dtype)
        self.conv2 = Conv2d(6, 16, 5, algorithm=algorithm, dtype=dtype)
        self.conv3 = Conv2d(16, 120, 5, algorithm=algorithm, dtype=dtype)
        self.fc1 = Linear(120, 84, dtype=dtype)
        self.fc2 = Linear(84, num_classes, dtype=dtype)
        self.activation = _ACTIVATIONS[activation]()
        self.pool = _POOLS[pool](2)
        generator = np.random.default_rng(rng)
        self.dropout = Dropout(dropout, rng=generator)
        for parameter in self.parameters():
            self._initialise(parameter, activation, generator)

    @staticmethod
    def _initialise(parameter: Parameter, activation: str, rng: np.random.Generator) -> None:
        if parameter.ndim == 1:
            init.zeros_(parameter)
        elif activation == "relu":
            init.kaiming_uniform_(parameter, nonlinearity="relu", rng=rng)
        else:
            init.xavier_uniform_(parameter, init.calculate_gain("tanh"), rng=rng)

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the logits, (N, num_classes), of images (N, in_channels, 28 or 32, 28 or 32), or without N."""
        shape = np.shape(x)
        if shape[-2:] not in ((28, 28), (32, 32)):
            raise ShapeError(f"LeNet5 takes images of 28×28 or 32×32, but the shape is {shape}; resize them.")
        if shape[-1] == 28:
            x = pad(x, (2, 2, 2, 2))
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        x = flatten(self.activation(self.conv3(x)), -3)
        return self.fc2(self.dropout(self.activation(self.fc1(x))))
