"""Losses of classes on plain arrays: the loss of each position, and its gradient; nothing is checked here.

Logits are (N, C, D): batch, classes, and all further positions in one axis. Labels, losses and the upstream gradient
of the losses are (N, D), class weights (C,).
"""

from typing import Any

import numpy as np

from sevenloops import runtime
from sevenloops.activations.rows import log_softmax
from sevenloops.arrays import Array

__all__ = [
    "class_cross_entropy",
    "class_cross_entropy_grad",
    "negative_log_likelihood",
    "negative_log_likelihood_grad",
    "probability_cross_entropy",
    "probability_cross_entropy_grad",
    "smoothed_probabilities",
]

#: What is made NaN by infinities is not warned of.
_QUIET = np.errstate(all="ignore")

# With label smoothing e, class weights w and logp = log softmax(logits), the loss at one position of class y is
#
#     (1 - e)·w_y·(-logp_y) + e/C · Σ_c w_c·(-logp_c)  =  -Σ_c t_c·logp_c,   t_c = (1 - e)·w_y·[c = y] + e/C·w_c.
#
# With probabilities q as target it is t_c = ((1 - e)·q_c + e/C)·w_c. Since ∂logp_c/∂z_k = [c = k] - p_k, the gradient
# by the logits is p·Σ_c t_c - t in both cases. A position that does not count has t = 0.


@_QUIET
def class_cross_entropy(
    logits: Array, labels: Array, counted: Array, weight: Array, smoothing: float
) -> tuple[Array, tuple[Array, Array]]:
    """Return the loss of each position, and for the gradient numerators and denominators of softmax(logits).

    `counted` (N, D) is False where a position is to be ignored; its label can be any class.
    """
    # -log p_c = log Σ exp(z) - z_c, with z = logits - max: a sum of two terms that are not negative.
    z = logits - logits.max(1, keepdims=True)
    at_label = z[_at(labels)]
    weighted = weight @ z if smoothing else None
    np.exp(z, out=z)
    total = z.sum(1)
    log_total = np.log(total)
    losses = (log_total - at_label) * weight[labels]
    if weighted is not None:
        losses *= 1 - smoothing
        losses += smoothing / logits.shape[1] * (log_total * weight.sum() - weighted)
    losses[~counted] = 0
    return losses, (z, total)


@_QUIET
def class_cross_entropy_grad(
    grad: Array, kept: tuple[Array, Array], labels: Array, counted: Array, weight: Array, smoothing: float
) -> Array:
    """Return the gradient by the logits from what the forward pass kept."""
    exponentials, total = kept
    grad = grad * counted
    at_label = (1 - smoothing) * weight[labels] * grad
    everywhere = smoothing / exponentials.shape[1] * grad
    result: Array = exponentials * ((at_label + everywhere * weight.sum()) / total)[:, None]
    if smoothing:
        result -= everywhere[:, None] * weight[:, None]
    result[_at(labels)] -= at_label
    return result


def _at(labels: Array) -> tuple[Any, Any, Any]:
    """Index of the entries (n, labels[n, d], d) of an (N, C, D) array; each is met once."""
    n, d = labels.shape
    return np.arange(n)[:, None], labels, np.arange(d)


def smoothed_probabilities(target: Array, weight: Array, smoothing: float) -> Array:
    """Return t of probabilities (N, C, D)."""
    t: Array = (1 - smoothing) * target + smoothing / target.shape[1]
    return t * weight[:, None]


@_QUIET
def probability_cross_entropy(logits: Array, t: Array) -> tuple[Array, Array]:
    """Return the loss of each position, and log softmax(logits), for the t of `smoothed_probabilities`."""
    logp = runtime.empty_like(logits)
    log_softmax(logits, logp, dim=1)
    return -(t * logp).sum(1), logp


@_QUIET
def probability_cross_entropy_grad(grad: Array, logp: Array, t: Array) -> Array:
    """Return the gradient by the logits from log softmax(logits)."""
    result = np.exp(logp)
    result *= t.sum(1, keepdims=True)
    result -= t
    result *= grad[:, None]
    return result


@_QUIET
def negative_log_likelihood(logp: Array, labels: Array, counted: Array, weight: Array) -> Array:
    """Return the loss of each position from the logarithms of probabilities, (N, C, D)."""
    losses: Array = logp[_at(labels)] * -weight[labels]
    losses[~counted] = 0
    return losses


@_QUIET
def negative_log_likelihood_grad(
    grad: Array, shape: tuple[int, ...], labels: Array, counted: Array, weight: Array
) -> Array:
    """Return the gradient by the log-probabilities, whose shape is (N, C, D)."""
    result = np.zeros(shape, grad.dtype)
    result[_at(labels)] = grad * counted * -weight[labels]
    return result
