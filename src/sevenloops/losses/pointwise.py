"""Losses of each element by itself, on plain arrays of one shape: the loss, and its gradients.

Nothing is checked here. A gradient by the target is there where it is not that by the input, negated.
"""

import numpy as np

from sevenloops.arrays import Array

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_grad",
    "binary_cross_entropy_target_grad",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_grad",
    "binary_cross_entropy_with_logits_target_grad",
    "huber_loss",
    "huber_loss_grad",
    "kl_div",
    "kl_div_grad",
    "kl_div_target_grad",
    "l1_loss",
    "l1_loss_grad",
    "log_kl_div",
    "log_kl_div_grad",
    "log_kl_div_target_grad",
    "mse_loss",
    "mse_loss_grad",
    "smooth_l1_loss",
    "smooth_l1_loss_grad",
]


def mse_loss(x: Array, target: Array, out: Array) -> None:
    """Write (x - target)²."""
    np.subtract(x, target, out=out)
    out *= out


def mse_loss_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write 2 · (x - target) · grad."""
    difference = x - target
    difference *= 2
    np.multiply(difference, grad, out=out)


def l1_loss(x: Array, target: Array, out: Array) -> None:
    """Write |x - target|."""
    np.subtract(x, target, out=out)
    np.abs(out, out=out)


def l1_loss_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write the sign of x - target, times grad; 0 where they are equal."""
    difference = x - target
    np.multiply(np.sign(difference), grad, out=out)


def huber_loss(x: Array, target: Array, out: Array, *, delta: float) -> None:
    """Write d²/2 for distances d up to delta, and delta · (d - delta/2) above."""
    # Both are m · (d - m/2) with m = min(d, delta).
    distance = x - target
    np.abs(distance, out=distance)
    m = np.clip(distance, 0, delta)
    np.multiply(m, -0.5, out=out)
    out += distance
    out *= m


def huber_loss_grad(grad: Array, x: Array, target: Array, out: Array, *, delta: float) -> None:
    """Write the difference, or ±delta where it is beyond, times grad."""
    difference = x - target
    np.clip(difference, -delta, delta, out=difference)
    np.multiply(difference, grad, out=out)


def smooth_l1_loss(x: Array, target: Array, out: Array, *, beta: float) -> None:
    """Write d² / (2·beta) for distances d up to beta, and d - beta/2 above: Huber's loss divided by beta."""
    huber_loss(x, target, out, delta=beta)
    out /= beta


def smooth_l1_loss_grad(grad: Array, x: Array, target: Array, out: Array, *, beta: float) -> None:
    """Write the difference divided by beta, or ±1 where it is beyond, times grad."""
    difference = x - target
    difference /= beta
    np.clip(difference, -1, 1, out=difference)
    np.multiply(difference, grad, out=out)


# --- two classes --------------------------------------------------------------------------------------------------

# With the logit x, the share y of the positive class and its weight w,
#
#     loss = -(w·y·log σ(x) + (1 - y)·log σ(-x)),   -log σ(x) = max(-x, 0) + t,   t = log(1 + exp(-|x|)),
#
# a sum of positive terms, in which nothing cancels; by x it has the derivative (1 - y)·σ(x) - w·y·σ(-x).


def binary_cross_entropy_with_logits(x: Array, target: Array, pos_weight: Array, out: Array) -> None:
    """Write the loss."""
    t = _log_one_plus_exp_minus_abs(x)
    positive = np.clip(-x, 0, np.inf)
    positive += t
    positive *= target
    positive *= pos_weight
    t += np.clip(x, 0, np.inf)
    t *= 1 - target
    np.add(positive, t, out=out)


def binary_cross_entropy_with_logits_grad(
    grad: Array, x: Array, target: Array, pos_weight: Array, out: Array
) -> None:
    """Write the derivative by x, times grad."""
    positive = np.exp(x)
    positive += 1
    np.divide(target, positive, out=positive)
    positive *= pos_weight
    negative = np.exp(-x)
    negative += 1
    np.divide(1 - target, negative, out=negative)
    negative -= positive
    np.multiply(negative, grad, out=out)


def binary_cross_entropy_with_logits_target_grad(
    grad: Array, x: Array, target: Array, pos_weight: Array, out: Array
) -> None:
    """Write the derivative by the target, w·log(1 + exp(-x)) - log(1 + exp(x)), times grad."""
    slope = _log_one_plus_exp_minus_abs(x)
    slope += np.clip(-x, 0, np.inf)
    slope *= pos_weight - 1
    slope -= x
    np.multiply(slope, grad, out=out)


def _log_one_plus_exp_minus_abs(x: Array) -> Array:
    result = np.abs(x)
    np.negative(result, out=result)
    np.exp(result, out=result)
    np.log1p(result, out=result)
    return result


def binary_cross_entropy(x: Array, target: Array, out: Array) -> None:
    """Write -(target · log x + (1 - target) · log(1 - x)), with logarithms of -100 at least."""
    positive, negative = _logarithms(x)
    positive *= target
    negative *= 1 - target
    positive += negative
    np.multiply(positive, -1, out=out)


def binary_cross_entropy_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write (x - target) / (x · (1 - x)) · grad, with a denominator of 1e-12 at least."""
    denominator = 1 - x
    denominator *= x
    np.clip(denominator, 1e-12, np.inf, out=denominator)
    slope = x - target
    slope /= denominator
    np.multiply(slope, grad, out=out)


def binary_cross_entropy_target_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write (log(1 - x) - log x) · grad, with logarithms of -100 at least."""
    positive, negative = _logarithms(x)
    negative -= positive
    np.multiply(negative, grad, out=out)


def _logarithms(x: Array) -> tuple[Array, Array]:
    """Return log x and log(1 - x), at least -100."""
    positive = np.log(x)
    np.clip(positive, -100, np.inf, out=positive)
    negative = np.negative(x)
    np.log1p(negative, out=negative)
    np.clip(negative, -100, np.inf, out=negative)
    return positive, negative


# --- distributions ------------------------------------------------------------------------------------------------


def kl_div(x: Array, target: Array, out: Array) -> None:
    """Write target · (log target - x), and 0 where the target is 0."""
    difference = np.log(target + (target == 0))
    difference -= x
    np.multiply(difference, target, out=out)


def kl_div_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write -target · grad."""
    np.multiply(target, grad, out=out)
    np.multiply(out, -1, out=out)


def kl_div_target_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write (log target + 1 - x) · grad."""
    slope = np.log(target)
    slope += 1
    slope -= x
    np.multiply(slope, grad, out=out)


def log_kl_div(x: Array, target: Array, out: Array) -> None:
    """Write exp(target) · (target - x)."""
    difference = target - x
    np.multiply(np.exp(target), difference, out=out)


def log_kl_div_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write -exp(target) · grad."""
    kl_div_grad(grad, x, np.exp(target), out)


def log_kl_div_target_grad(grad: Array, x: Array, target: Array, out: Array) -> None:
    """Write exp(target) · (1 + target - x) · grad."""
    slope = target - x
    slope += 1
    slope *= np.exp(target)
    np.multiply(slope, grad, out=out)
