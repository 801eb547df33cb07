"""Sums and products of two arrays of one shape; see `sevenloops.pairs`."""

from sevenloops.jit.language import Code, Value
from sevenloops.jit.step.elementwise import Elementwise

__all__ = ["add", "divide", "multiply", "subtract"]


def _add(code: Code, left: Value, right: Value) -> Value:
    return left + right


def _subtract(code: Code, left: Value, right: Value) -> Value:
    return left - right


def _multiply(code: Code, left: Value, right: Value) -> Value:
    return left * right


def _divide(code: Code, left: Value, right: Value) -> Value:
    return left / right


add = Elementwise("pair/add", "forward", _add)
subtract = Elementwise("pair/subtract", "forward", _subtract)
multiply = Elementwise("pair/multiply", "forward", _multiply)
divide = Elementwise("pair/divide", "forward", _divide)
