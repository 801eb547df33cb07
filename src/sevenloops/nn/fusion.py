"""Modules one after another; in inference a convolution does what follows it while its result is in cache.

Where no gradient is recorded, a convolution followed by a batch norm in evaluation, a sum with a shortcut, and a ReLU
is one pass over memory instead of four. The parameters are read at every call, so nothing has to be folded beforehand
and nothing can be out of date. Everything else runs as it is written: modules with hooks, in training, of other
classes.
"""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array, compute_dtype
from sevenloops.autograd import is_grad_enabled
from sevenloops.frozen import is_frozen
from sevenloops.functional.fused import conv2d_and
from sevenloops.nn.activation import ReLU, ReLU6
from sevenloops.nn.conv import Conv2d
from sevenloops.nn.module import Module
from sevenloops.nn.norm import BatchNorm2d

__all__ = ["run"]

_ACTIVATIONS: dict[type[Module], str] = {ReLU: "relu", ReLU6: "relu6"}


def run(modules: Iterable[Module], x: Any, residual: Any = None, activation: Module | None = None) -> Any:
    """Return activation(y + residual), where y is what the modules make of x, one after another.

    Parameters
    ----------
    modules : iterable of Module
    x : ndarray or Tensor
    residual : ndarray or Tensor, optional
        A residual block's shortcut.
    activation : Module, optional
    """
    left = list(modules)
    fusing = not is_grad_enabled() and "jit" in backends.usable()
    while left:
        parts = _parts(left, residual is not None, activation, np.ndim(x) == 4) if fusing else None
        if parts is None:
            x = left.pop(0)(x)
            continue
        x = parts.call(x, residual)
        del left[: parts.count]
        if parts.ends:
            return x
    if residual is not None:
        x = x + residual
    return x if activation is None else activation(x)


class _Parts:
    """A convolution and what it can do of that which follows."""

    def __init__(self, conv: Conv2d) -> None:
        self.conv = conv
        self.norm: BatchNorm2d | None = None
        self.activation: str | None = None
        self.count = 1
        self.ends = False  # whether it adds the residual and applies the last activation

    def call(self, x: Any, residual: Any) -> Any:
        """Run them."""
        bias = None if self.conv.bias is None else self.conv.bias.data
        scale = None
        if self.norm is not None:
            scale, bias = _affine(self.norm, bias)
        beside = residual if self.ends else None
        return conv2d_and(x, self.conv.weight, bias, scale, beside, self.activation, **self.conv.keywords)


def _parts(modules: list[Module], adds: bool, last: Module | None, batched: bool) -> _Parts | None:
    """Return what a convolution that comes first can do, if anything; `last` is the activation at the end.

    A batch norm takes no image without a batch axis, and says so.
    """
    conv = modules[0]
    if type(conv) is not Conv2d or conv.has_hooks or conv.padding_mode != "zeros":
        return None
    parts = _Parts(conv)
    rest = modules[1:]
    if batched and rest and type(rest[0]) is BatchNorm2d and _is_fixed(rest[0], conv):
        parts.norm = rest[0]
        parts.count += 1
        rest = rest[1:]
    if rest:
        if type(rest[0]) in _ACTIVATIONS and not rest[0].has_hooks:
            parts.activation = _ACTIVATIONS[type(rest[0])]
            parts.count += 1
    elif last is None or (type(last) in _ACTIVATIONS and not last.has_hooks):
        parts.ends = adds or last is not None
        parts.activation = None if last is None else _ACTIVATIONS[type(last)]
    return parts if parts.count > 1 or parts.ends else None


def _is_fixed(norm: BatchNorm2d, conv: Conv2d) -> bool:
    """Return whether a batch norm is a fixed affine map of the channels of a convolution, of its dtype."""
    if norm.training or norm.has_hooks or norm.running_mean is None or norm.running_var is None:
        return False
    parts = (norm.running_mean, norm.running_var, norm.weight, norm.bias, conv.bias)
    return norm.num_features == conv.out_channels and all(
        part is None or (part.dtype == conv.weight.dtype and part.shape == (conv.out_channels,)) for part in parts
    )


_kept: "WeakKeyDictionary[BatchNorm2d, tuple[Array | None, Array, tuple[Array, Array]]]" = WeakKeyDictionary()


def _affine(norm: BatchNorm2d, bias: Array | None) -> tuple[Array, Array]:
    """Return the factor and the summand per channel of a batch norm in evaluation, applied to a sum plus `bias`."""
    mean = norm.running_mean
    if mean is None or not is_frozen(mean):
        return _worked_out(norm, bias)
    kept = _kept.get(norm)
    if kept is None or kept[0] is not bias or kept[1] is not mean:
        kept = _kept[norm] = (bias, mean, _worked_out(norm, bias))
    return kept[2]


def _worked_out(norm: BatchNorm2d, bias: Array | None) -> tuple[Array, Array]:
    """Work them out.

    They are worked out in float64, as the norm does it, and have the dtype in which the convolution computes.
    """
    mean, variance = (np.asarray(part, np.float64) for part in (norm.running_mean, norm.running_var))
    dtype = compute_dtype(norm.running_var.dtype)  # type: ignore[union-attr]
    with np.errstate(all="ignore"):  # a variance may be 0, negative or infinite
        scale = 1 / np.sqrt(variance + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight.data
        shift = -mean * scale if bias is None else (bias - mean) * scale
        if norm.bias is not None:
            shift = shift + norm.bias.data
        return scale.astype(dtype), shift.astype(dtype)
