"""Checks of the numbers that optimizers and schedules are told: each returns the value in its own type."""

import math
from typing import Any

__all__ = ["at_least_one", "finite", "not_negative", "one_of", "pair_below_one", "proportion", "real"]


def real(name: str, value: Any) -> float:
    """Return a number as a float, NaN and infinities included; text and bools are refused."""
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, but got {value!r:.100}.") from None


def finite(name: str, value: Any) -> float:
    """Return a number that is neither NaN nor infinite."""
    number = real(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, but got {value}.")
    return number


def not_negative(name: str, value: Any) -> float:
    """Return a finite number of at least 0."""
    number = real(name, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, but got {value}.")
    return number


def proportion(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    number = real(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be from 0 to 1, but got {value}.")
    return number


def at_least_one(name: str, value: Any) -> float:
    """Return a finite number of at least 1."""
    number = real(name, value)
    if not 1 <= number < math.inf:
        raise ValueError(f"{name} must be at least 1 and finite, but got {value}.")
    return number


def pair_below_one(name: str, value: Any) -> tuple[float, float]:
    """Return two numbers from 0 to below 1."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be a pair of numbers, but got {value!r}.")
    first, second = (real(f"{name}[{i}]", entry) for i, entry in enumerate(value))
    for i, number in enumerate((first, second)):
        if not 0 <= number < 1:
            raise ValueError(f"{name}[{i}] must be at least 0 and less than 1, but got {number}.")
    return first, second


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return a name if it is among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but got {value!r}.")
    return str(value)
