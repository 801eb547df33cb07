"""Calls like one before: what follows from shapes, strides and parameters is worked out once.

A layer of a network is called with arrays of the same shapes again and again. Checking the arguments, finding the
geometry and choosing an algorithm take longer than a small layer does, and depend on nothing but what is in the key.
"""

from typing import Any
from weakref import WeakSet

import numpy as np

from sevenloops import backends, runtime, settings
from sevenloops.autograd import Tensor, is_grad_enabled
from sevenloops.conv import registry

__all__ = ["Repeated"]

_MOST = 2048  # calls remembered


class Repeated:
    """What was worked out for the calls of one function, by what they depend on."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}
        _every.add(self)

    @staticmethod
    def forget() -> None:
        """Forget all calls of all functions."""
        for repeated in _every:
            repeated._known.clear()

    def key(self, arrays: tuple[Any, ...], parameters: tuple[Any, ...]) -> Any:
        """Return what tells calls apart, or None for those that are not remembered.

        They are remembered if the arrays are Tensors or plain arrays, and aligned, and the parameters numbers, names
        or tuples of numbers: a list may change, and ``True == 1``.
        """
        parts: list[Any] = []
        for value in arrays:
            if value is None:
                parts.append(None)
                continue
            if isinstance(value, Tensor):
                array, needs = value.data, value.requires_grad
            elif type(value) is np.ndarray:
                array, needs = value, None
            else:
                return None
            if not array.flags.aligned:  # it is copied, though its dtype, shape and strides are those of others
                return None
            parts.append((needs, array.dtype, array.shape, array.strides))
        for parameter in parameters:
            kind = type(parameter)
            if kind is tuple:
                for entry in parameter:
                    if type(entry) is not int:
                        return None
            elif kind is not int and kind is not str and parameter is not None:
                return None
        parts.append(parameters)
        parts.append(is_grad_enabled())
        parts.append(runtime.get_num_threads())
        parts.append(backends.usable())
        parts.append(registry.names())
        parts.append((settings.is_autotuning(), settings.is_exact()))
        return tuple(parts)

    def get(self, key: Any) -> Any:
        """Return what was worked out, or None."""
        return None if key is None else self._known.get(key)

    def keep(self, key: Any, worked_out: Any, given: tuple[Any, ...], used: list[Any]) -> None:
        """Remember what was worked out, if the arrays given could be used as they are."""
        if key is None or any(a is not b for a, b in zip(given, used)):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = worked_out


_every: WeakSet[Repeated] = WeakSet()
