"""Weights that, as a linear map, keep lengths, or keep the input itself."""

from math import prod

import numpy as np

from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import integer
from sevenloops.nn.init.plain import Rng, T, array_of, fill, number

__all__ = ["dirac_", "eye_", "orthogonal_"]


def orthogonal_(tensor: T, gain: float = 1, *, rng: Rng = None) -> T:
    """Fill with a random orthogonal matrix: its rows, or if there are more than columns its columns, are orthonormal.

    All such matrices are equally probable. Signals through layers that start so keep their length, at any depth.

    Parameters
    ----------
    tensor : Tensor or ndarray, (out, in, *kernel)
        Written in place, as a matrix (out, in · taps).
    gain : float
        What the matrix is multiplied by.
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
    A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", arXiv 1312.6120; F. Mezzadri, "How to generate random matrices from the classical compact
    groups", arXiv math-ph/0609050.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> w = init.orthogonal_(np.zeros((2, 3)), rng=0)
    >>> (w @ w.T).round(8) + 0
    array([[1., 0.], [0., 1.]])
    """
    shape = array_of(tensor).shape
    gain = number("gain", gain)
    if len(shape) < 2:
        raise ShapeError(f"An orthogonal weight needs at least 2 axes (out, in, *kernel), but the shape is {shape}.")
    rows, columns = shape[0], prod(shape[1:])
    normal = np.random.default_rng(rng).standard_normal((rows, columns))
    if not normal.size:
        return tensor
    # A = Q·R is not unique, and LAPACK's choice of signs favours some Q; with a positive diagonal of R it is.
    q, r = np.linalg.qr(normal if rows >= columns else normal.T)
    q *= np.where(np.diagonal(r) < 0, -gain, gain)
    return fill(tensor, (q if rows >= columns else q.T).reshape(shape))


def eye_(tensor: T) -> T:
    """Fill with ones on the diagonal of a matrix and zeros elsewhere, so that Linear keeps its input.

    Raises
    ------
    ShapeError
        If the tensor does not have two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> init.eye_(np.zeros((2, 3)))
    array([[1., 0., 0.], [0., 1., 0.]])
    """
    shape = array_of(tensor).shape
    if len(shape) != 2:
        raise ShapeError(f"eye_ needs a matrix, but the shape is {shape}; dirac_ is for convolutions.")
    return fill(tensor, np.eye(*shape))


def dirac_(tensor: T, groups: int = 1) -> T:
    """Fill a convolution's weight so that it keeps its input: a one in the middle of the kernel of equal channels.

    Parameters
    ----------
    tensor : Tensor or ndarray, (out, in / groups, *kernel)
        Written in place; one to three axes of kernel. Channels that have no partner stay 0.
    groups : int
        Those of the convolution; they divide `out`.

    Returns
    -------
    Tensor or ndarray
        `tensor` itself.

    Raises
    ------
    ShapeError
        If the number of axes is another one, or the groups do not divide the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.nn import init
    >>> init.dirac_(np.zeros((2, 2, 3))).tolist()
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    shape = array_of(tensor).shape
    groups = integer("groups", groups, 1)
    if len(shape) not in (3, 4, 5):
        raise ShapeError(f"dirac_ needs a convolution's weight (out, in, *kernel), but the shape is {shape}.")
    if shape[0] % groups:
        raise ShapeError(f"groups must divide the outputs, but {groups} does not divide {shape[0]}.")
    values = np.zeros(shape)
    outputs = shape[0] // groups
    middle = tuple(length // 2 for length in shape[2:])
    if values.size:
        for output in range(shape[0]):
            if output % outputs < shape[1]:
                values[(output, output % outputs, *middle)] = 1
    return fill(tensor, values)
