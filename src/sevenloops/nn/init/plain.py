"""Values drawn from one distribution, or all alike."""

import math
from typing import Any, TypeAlias, TypeVar

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor, note_change

__all__ = [
    "Rng",
    "T",
    "array_of",
    "constant_",
    "fill",
    "normal_",
    "number",
    "ones_",
    "trunc_normal_",
    "uniform_",
    "zeros_",
]

#: A generator, a seed for a new one, or None for fresh entropy.
Rng: TypeAlias = np.random.Generator | np.random.SeedSequence | int | None

T = TypeVar("T", bound=Tensor | Array)


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, *, rng: Rng = None) -> T:
    """Fill with numbers drawn evenly from [a, b).

    Parameters
    ----------
    tensor : Tensor or ndarray
        Any shape; written in place.
    a, b : float
    rng : Generator, seed or None

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ValueError
        If a is greater than b, or one is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.uniform_(np.zeros((2, 3)), -1, 1, rng=0)
    >>> bool((abs(w) <= 1).all())
    True
    """
    a, b = number("a", a), number("b", b)
    if a > b:
        raise ValueError(f"a must not be greater than b, but got a={a} and b={b}; exchange them.")
    return fill(tensor, np.random.default_rng(rng).uniform(a, b, array_of(tensor).shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, *, rng: Rng = None) -> T:
    """Fill with normally distributed numbers; see `uniform_` for the arguments they share.

    Raises
    ------
    ValueError
        If std is negative, or an argument is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.normal_(np.zeros((100, 100)), std=0.1, rng=0)
    >>> round(float(w.std()), 2)
    0.1
    """
    mean, std = number("mean", mean), number("std", std)
    if std < 0:
        raise ValueError(f"std must not be negative, but got {std}.")
    return fill(tensor, np.random.default_rng(rng).normal(mean, std, array_of(tensor).shape))


def trunc_normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, *, rng: Rng = None
) -> T:
    """Fill with normally distributed numbers from a to b: as `normal_`, with those outside drawn again.

    Parameters
    ----------
    tensor : Tensor or ndarray
        Any shape; written in place.
    mean, std : float
        Of the distribution before it is cut.
    a, b : float
        The least and the greatest value; not in units of std.
    rng : Generator, seed or None

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ValueError
        If std is not positive, a is not less than b, or an argument is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.trunc_normal_(np.zeros((100, 100)), std=0.02, a=-0.04, b=0.04, rng=0)
    >>> bool((abs(w) <= 0.04).all())
    True
    """
    mean, std, a, b = (number(n, v) for n, v in (("mean", mean), ("std", std), ("a", a), ("b", b)))
    if std <= 0:
        raise ValueError(f"std must be positive, but got {std}.")
    if a >= b:
        raise ValueError(f"a must be less than b, but got a={a} and b={b}; exchange them.")
    array, generator = array_of(tensor), np.random.default_rng(rng)
    low, high = (a - mean) / std, (b - mean) / std
    draw = _normal_between if _mass(low, high) > 0.1 else _tail_between
    found: list[Array] = []
    missing = array.size
    while missing:
        drawn = draw(generator, low, high, max(missing, 1000))[:missing]
        found.append(drawn)
        missing -= len(drawn)
    values = np.concatenate(found) if found else np.zeros(0)
    fill(tensor, np.clip(mean + std * values, a, b).reshape(array.shape))
    if array.size:  # what is rounded to the dtype may have left the interval
        least, greatest = (np.asarray(bound, array.dtype) for bound in (a, b))
        least = np.nextafter(least, greatest) if least < a else least
        greatest = np.nextafter(greatest, least) if greatest > b else greatest
        np.clip(array, least, greatest, out=array)
    return tensor


def _mass(low: float, high: float) -> float:
    """Return the probability that a standard normal number is between the bounds."""
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2


def _normal_between(rng: np.random.Generator, low: float, high: float, count: int) -> Array:
    """Draw normal numbers, and keep those that are between the bounds."""
    x = rng.standard_normal(count)
    return x[(x >= low) & (x <= high)]


def _tail_between(rng: np.random.Generator, low: float, high: float, count: int) -> Array:
    """Draw evenly, and keep each with a probability in proportion to the normal density there.

    Of an interval far out in a tail that is the part next to the mean: where the density has fallen by e⁻⁴⁰ there is
    less left than a float64 could tell.
    """
    if low > 0:
        high = min(high, low + 40 / low)
    elif high < 0:
        low = max(low, high + 40 / high)
    nearest = max(low, 0.0) if low > 0 else min(high, 0.0)
    x = rng.uniform(low, high, count)
    return x[rng.random(count) < np.exp((nearest - x) * (nearest + x) / 2)]


def constant_(tensor: T, val: float) -> T:
    """Fill with one value.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> init.constant_(np.zeros(2), 0.5)
    array([0.5, 0.5])
    """
    return fill(tensor, val)


def zeros_(tensor: T) -> T:
    """Fill with zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> init.zeros_(np.ones(2))
    array([0., 0.])
    """
    return fill(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Fill with ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> init.ones_(np.zeros(2))
    array([1., 1.])
    """
    return fill(tensor, 1.0)


# --- what the rules share -------------------------------------------------------------------------------------------


def number(name: str, value: Any) -> float:
    """Return what can be made a finite float."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, but got {value}.")
    return number


def fill(tensor: T, values: Any) -> T:
    """Write values, rounded to the dtype of the tensor; return the tensor."""
    np.copyto(array_of(tensor), values, casting="same_kind")
    if isinstance(tensor, Tensor):
        note_change(tensor)
    return tensor


def array_of(tensor: Any) -> Array:
    """Return the array to write into."""
    array = tensor.data if isinstance(tensor, Tensor) else tensor
    if not isinstance(array, np.ndarray):
        raise TypeError(f"Values are written in place into a Tensor or an array, but got a {type(tensor).__name__}.")
    return array
