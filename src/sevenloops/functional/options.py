"""Options that are plain values, checked: numbers, probabilities, names."""

from numbers import Real
from typing import Any

from sevenloops.autograd import Tensor

__all__ = ["array_of", "number", "one_of", "probability"]


def number(name: str, value: Any) -> float:
    """Return `value` as a float; bools and text are refused."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    return float(value)


def probability(name: str, value: Any) -> float:
    """Return `value` as a float from 0 to 1."""
    result = number(name, value)
    if not 0 <= result <= 1:
        raise ValueError(f"{name} must be from 0 to 1, but got {result}.")
    return result


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of the names."""
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    listing = ", ".join(f'"{choice}"' for choice in choices[:-1])
    raise ValueError(f'{name} must be {listing} or "{choices[-1]}", but got {value!r}.')


def array_of(value: Any) -> Any:
    """Return the array of a Tensor, and anything else as it is."""
    return value.data if isinstance(value, Tensor) else value
