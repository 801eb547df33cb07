"""Rules that choose the variance of weights so that signals neither vanish nor explode from layer to layer.

For a weight (out, in, *kernel) a "fan" is the number of terms of a sum: fan_in = in · taps in the forward pass and
fan_out = out · taps in the backward pass. With fan_in terms of variance v each, a sum has variance fan_in · v.
"""

import math

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn.init.plain import Rng, T, array_of, normal_, number, uniform_

__all__ = [
    "calculate_gain",
    "fan_in_and_fan_out",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "xavier_normal_",
    "xavier_uniform_",
]

_GAINS = {
    **dict.fromkeys(("linear", "sigmoid"), 1.0),
    **dict.fromkeys((f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3)), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much weights must be larger to make up for what an activation takes away.

    Parameters
    ----------
    nonlinearity : str
        "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", or the name of a convolution (which is linear).
    param : float, optional
        The slope of leaky_relu for negative values; 0.01 if not given.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the name is none of these.

    Examples
    --------
    >>> from sevenloops.nn import init
    >>> init.calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else number("param", param)
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"nonlinearity must be one of {', '.join(sorted([*_GAINS, 'leaky_relu']))}, but got {nonlinearity!r}."
        )
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many inputs each output sums, and how many outputs each input reaches.

    As in PyTorch the axes are read as (out, in, *kernel) whatever the layer; so for a transposed convolution, whose
    weight is (in, out / groups, *kernel), the two numbers change places.

    Raises
    ------
    ShapeError
        If there are fewer than two axes.

    Examples
    --------
    >>> from sevenloops.nn import init
    >>> init.fan_in_and_fan_out((16, 6, 5, 5))
    (150, 400)
    """
    if len(shape) < 2:
        raise ShapeError(f"A fan needs a weight of at least 2 axes (out, in, *kernel), but the shape is {shape}.")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


# --- rules that keep the variance --------------------------------------------------------------------------------
# A uniform distribution on [-b, b) has variance b²/3, so a standard deviation s needs b = √3·s.


def kaiming_uniform_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> T:
    """Fill evenly with the standard deviation gain / √fan, for layers followed by rectifiers.

    Parameters
    ----------
    tensor : Tensor or ndarray, (out, in, *kernel)
        Written in place.
    a : float
        The slope of leaky_relu for negative values, if that is the nonlinearity.
    mode : {"fan_in", "fan_out"}
        Which pass keeps its variance, the forward or the backward one.
    nonlinearity : str
        As in `calculate_gain`.
    rng : Generator, seed or None

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.
    ValueError
        If mode or nonlinearity is unknown.

    References
    ----------
    K. He et al., "Delving deep into rectifiers", arXiv 1502.01852.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.kaiming_uniform_(np.zeros((16, 6, 5, 5)), nonlinearity="relu", rng=0)
    >>> bool((abs(w) <= (6 / 150) ** 0.5).all())
    True
    """
    return _evenly(tensor, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), rng)


def kaiming_normal_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Rng = None
) -> T:
    """Fill normally with the standard deviation gain / √fan; arguments and errors as in `kaiming_uniform_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.kaiming_normal_(np.zeros((64, 50)), nonlinearity="relu", rng=0)
    >>> round(float(w.std()), 2)
    0.2
    """
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), rng=rng)


def xavier_uniform_(tensor: T, gain: float = 1.0, *, rng: Rng = None) -> T:
    """Fill evenly with the standard deviation gain · √(2 / (fan_in + fan_out)), a compromise of both passes.

    Parameters
    ----------
    tensor : Tensor or ndarray, (out, in, *kernel)
        Written in place.
    gain : float
    rng : Generator, seed or None

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.xavier_uniform_(np.zeros((20, 40)), rng=0)
    >>> bool((abs(w) <= 0.1**0.5).all())
    True
    """
    return _evenly(tensor, _xavier(tensor, gain), rng)


def xavier_normal_(tensor: T, gain: float = 1.0, *, rng: Rng = None) -> T:
    """Fill normally with the standard deviation gain · √(2 / (fan_in + fan_out)); see `xavier_uniform_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.xavier_normal_(np.zeros((100, 100)), rng=0)
    >>> round(float(w.std()), 1)
    0.1
    """
    return normal_(tensor, 0.0, _xavier(tensor, gain), rng=rng)


def lecun_uniform_(tensor: T, *, rng: Rng = None) -> T:
    """Fill evenly with the standard deviation 1 / √fan_in, for layers followed by tanh; see `lecun_normal_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.lecun_uniform_(np.zeros((20, 30)), rng=0)
    >>> bool((abs(w) <= 0.1**0.5).all())
    True
    """
    return _evenly(tensor, 1 / math.sqrt(_fan(tensor, "fan_in")), rng)


def lecun_normal_(tensor: T, *, rng: Rng = None) -> T:
    """Fill normally with the standard deviation 1 / √fan_in, for layers followed by tanh.

    The normal distribution is not truncated.

    Parameters
    ----------
    tensor : Tensor or ndarray, (out, in, *kernel)
        Written in place.
    rng : Generator, seed or None

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ShapeError
        If the tensor has fewer than two axes.

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.lecun_normal_(np.zeros((100, 100)), rng=0)
    >>> round(float(w.std()), 1)
    0.1
    """
    return normal_(tensor, 0.0, 1 / math.sqrt(_fan(tensor, "fan_in")), rng=rng)


def _evenly(tensor: T, std: float, rng: Rng) -> T:
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound, rng=rng)


def _xavier(tensor: Tensor | Array, gain: float) -> float:
    return number("gain", gain) * math.sqrt(2 / max(1, sum(fan_in_and_fan_out(array_of(tensor).shape))))


def _fan(tensor: Tensor | Array, mode: str) -> int:
    """Return the fan that the mode names; at least 1, since an empty weight has nothing to fill."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode must be "fan_in" or "fan_out", but got {mode!r}.')
    return max(1, fan_in_and_fan_out(array_of(tensor).shape)[mode == "fan_out"])
