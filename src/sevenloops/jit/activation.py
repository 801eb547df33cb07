"""Activations that a kernel can apply to a sum before it is stored."""

from collections.abc import Callable
from typing import TypeAlias

from sevenloops.jit.language import Code, Value

__all__ = ["ACTIVATIONS", "Activation"]

#: Writes the instructions for one vector.
Activation: TypeAlias = Callable[[Code, Value], Value]


def _relu(code: Code, x: Value) -> Value:
    return code.select(x < code.zero(), code.zero(), x)  # what is not a number stays that


def _relu6(code: Code, x: Value) -> Value:
    x = _relu(code, x)
    six = code.vector(6.0)
    return code.select(x > six, six, x)


ACTIVATIONS: dict[str, Activation] = {"relu": _relu, "relu6": _relu6}
