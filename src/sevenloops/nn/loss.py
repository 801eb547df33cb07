"""Loss functions as layers. Their mean is the one place where anything is divided by the size of the batch.

PyTorch's deprecated arguments `size_average` and `reduce` are not there; what stands behind them is keyword-only.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from sevenloops.arrays import Array, ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.functional import losses
from sevenloops.nn.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    """What the losses share: the function of their name, and the attributes that are its options."""

    function: ClassVar[Callable[..., Any]]
    names: ClassVar[tuple[str, ...]] = ("reduction",)

    def forward(self, input: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Any:
        """Return the loss of an input for a target."""
        return type(self).function(input, target, **{name: getattr(self, name) for name in self.names})


class CrossEntropyLoss(_Loss):
    """-log softmax(input) at the target class, or its mean over a target distribution.

    Called with logits (N, C, …) and classes (N, …) or probabilities (N, C, …).

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

    function = staticmethod(losses.cross_entropy)
    names = ("weight", "ignore_index", "reduction", "label_smoothing")
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


class NLLLoss(_Loss):
    """-input at the target class, where the input holds logarithms of probabilities, as behind `LogSoftmax`.

    Called with log-probabilities (N, C, …) and classes (N, …).

    Parameters
    ----------
    weight : array_like, (C,), optional
        A factor per class, of the dtype of the inputs; kept as a buffer.
    ignore_index : int
        Targets of this class count nothing.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.NLLLoss()(np.log([[0.5, 0.25, 0.25]]), [0]).round(4))
    0.6931
    """

    function = staticmethod(losses.nll_loss)
    names = ("weight", "ignore_index", "reduction")
    weight: Array | None

    def __init__(
        self, weight: ArrayLike | Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction


class MSELoss(_Loss):
    """(input - target)², or its mean or sum; of one shape.

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

    function = staticmethod(losses.mse_loss)

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction


class L1Loss(_Loss):
    """|input - target|, or its mean or sum; of one shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 5.0])))
    1.5
    """

    function = staticmethod(losses.l1_loss)

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction


class SmoothL1Loss(_Loss):
    """|input - target|, rounded off where it is less than beta, or its mean or sum; of one shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.
    beta : float
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.SmoothL1Loss(reduction="sum")(np.array([0.5, 3.0]), np.zeros(2)))
    2.625
    """

    function = staticmethod(losses.smooth_l1_loss)
    names = ("reduction", "beta")

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.beta = beta


class HuberLoss(_Loss):
    """A loss that is quadratic up to a distance of delta and straight above, or its mean or sum; of one shape.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.
    delta : float
        Greater than 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.HuberLoss("sum", 2.0)(np.array([0.5, 3.0]), np.zeros(2)))
    4.125
    """

    function = staticmethod(losses.huber_loss)
    names = ("reduction", "delta")

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.delta = delta


class BCELoss(_Loss):
    """The cross-entropy of two classes from the probability of the positive one, or its mean or sum.

    Parameters
    ----------
    weight : array_like, optional
        A factor of each loss, of the dtype of the inputs, broadcast to their shape; kept as a buffer.
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.BCELoss()(np.array([0.5, 0.5]), np.array([1.0, 0.0])).round(4))
    0.6931
    """

    function = staticmethod(losses.binary_cross_entropy)
    names = ("weight", "reduction")
    weight: Array | None

    def __init__(self, weight: ArrayLike | Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction


class BCEWithLogitsLoss(_Loss):
    """The cross-entropy of two classes from the logit of the positive one, or its mean or sum.

    Parameters
    ----------
    weight : array_like, optional
        A factor of each loss, of the dtype of the inputs, broadcast to their shape; kept as a buffer.
    reduction : {"mean", "sum", "none"}
        The mean is over all elements.
    pos_weight : array_like, optional
        A factor of the positive class, like the weight.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.BCEWithLogitsLoss(reduction="sum")(np.array([0.0, 1000.0]), np.array([1.0, 1.0])).round(4))
    0.6931
    """

    function = staticmethod(losses.binary_cross_entropy_with_logits)
    names = ("weight", "reduction", "pos_weight")
    weight: Array | None
    pos_weight: Array | None

    def __init__(
        self,
        weight: ArrayLike | Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: ArrayLike | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction


class KLDivLoss(_Loss):
    """The terms of the Kullback-Leibler divergence of the target from exp(input), or their mean or sum.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides by the length of the first axis, which makes it the divergence; the mean is over all
        elements.
    log_target : bool
        Whether the target holds logarithms too.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> float(nn.KLDivLoss(reduction="batchmean")(np.log([[0.25, 0.75]]), np.array([[0.5, 0.5]])).round(4))
    0.1438
    """

    function = staticmethod(losses.kl_div)
    names = ("reduction", "log_target")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        self.reduction = reduction
        self.log_target = log_target
