"""Loss functions as layers. Their mean is the one place where anything is divided by the size of the batch."""

from typing import Any

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional.losses import cross_entropy, mse_loss
from sevenloops.nn.module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(Module):
    """-log softmax(input) at the target class, or its mean over a target distribution.

    Parameters
    ----------
    weight : array_like, (C,), optional
        A factor per class, of the dtype of the inputs; kept as a buffer.
    ignore_index : int
        Targets of this class count nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        From 0 to 1: the share of the target that is spread evenly over all classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.CrossEntropyLoss()(np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), [0, 2]).round(4))
    0.2395
    """

    weight: Array | None

    def __init__(
        self,
        weight: ArrayLike | Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Any:
        """Return the loss of logits (N, C, …) for targets (N, …) or probabilities (N, C, …)."""
        return cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class MSELoss(Module):
    """(input - target)², or its mean or sum.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Any:
        """Return the loss of an input for a target of the same shape."""
        return mse_loss(input, target, self.reduction)
