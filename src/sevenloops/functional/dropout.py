"""Dropout, for arrays and Tensors. Masks come from a generator that is handed in, never from a global one.

None works in place: there is no argument `inplace`, unlike in PyTorch.
"""

from functools import partial
from typing import Any, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.activations import kernel
from sevenloops.activations.dropout import draw
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.functional.options import array_of, probability
from sevenloops.geometry.arguments import flag

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]

# (A string: importing the package need not wait for numpy.random.)
Rng: TypeAlias = "np.random.Generator | np.random.SeedSequence | int | None"


def _run(name: str, direction: str, x: Array, keep: Array, p: float) -> Array:
    wide = compute_dtype(x.dtype)
    out = runtime.empty_like(x, wide)
    kernel(name, direction)(*map(np.atleast_1d, (x.astype(wide, copy=False), keep, out)), p=p)
    return narrow(out, x.dtype)


def _forward(name: str, x: Array, keep: Array, *, p: float) -> tuple[Array, Array]:
    return _run(name, "forward", x, keep, p), keep


def _vjp(name: str, grad: Array, saved: Array, needs: tuple[bool, ...], *, p: float) -> tuple[Array, None]:
    return _run(name, "gradient", grad, saved, p), None


# Inputs: the array, and the mask of what is kept (bool, one byte per element; the gradient needs nothing else).
# Attribute: p.
DROPOUT = Operation("dropout", partial(_forward, "dropout"), partial(_vjp, "dropout"))
ALPHA_DROPOUT = Operation("alpha_dropout", partial(_forward, "alpha_dropout"), partial(_vjp, "alpha_dropout"))


def dropout(input: Tensor | ArrayLike, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Any:
    """Set elements to 0 with probability p, each by itself, and divide the others by 1 - p.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    p : float, default 0.5
        From 0 to 1.
    training : bool, default True
        If false, the input is returned as it is.
    rng : numpy.random.Generator, SeedSequence, int or None
        Where the mask is drawn from; None means fresh entropy. A generator goes on from call to call, a seed gives
        the same mask each time. The mask depends on the shape, and not on the memory order.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input. Its mean over all masks is the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, p is not a number, or training not a bool.
    ValueError
        If p is not from 0 to 1.

    References
    ----------
    G. E. Hinton et al., "Improving neural networks by preventing co-adaptation of feature detectors",
    arXiv 1207.0580.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sorted(set(sl.dropout(np.ones(100), 0.75, rng=0).tolist()))
    [0.0, 4.0]
    """
    return _dropped(DROPOUT, input, p, training, rng, None)


def alpha_dropout(input: Tensor | ArrayLike, p: float = 0.5, training: bool = False, *, rng: Rng = None) -> Any:
    """Set elements to the lower limit of `selu` with probability p, then scale and shift all.

    If the input has mean 0 and variance 1, as behind selu, so has the result.

    Parameters
    ----------
    input : ndarray or Tensor
        Any shape; float16, float32 or float64.
    p : float, default 0.5
        From 0 to 1; at 1 the result is 0.
    training : bool, default False
        If false, the input is returned as it is.
    rng : numpy.random.Generator, SeedSequence, int or None
        As for `dropout`.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    TypeError
        If the dtype is not one of the above, p is not a number, or training not a bool.
    ValueError
        If p is not from 0 to 1.

    References
    ----------
    G. Klambauer et al., "Self-Normalizing Neural Networks", arXiv 1706.02515.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.random.default_rng(0).standard_normal(100000)
    >>> float(sl.alpha_dropout(x, 0.3, True, rng=1).std().round(1))
    1.0
    """
    return _dropped(ALPHA_DROPOUT, input, p, training, rng, None)


def dropout1d(input: Tensor | ArrayLike, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Any:
    """Set whole channels to 0 with probability p, each by itself, and divide the others by 1 - p.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, L) or (C, L)
        float16, float32 or float64.
    p : float, default 0.5
        From 0 to 1.
    training : bool, default True
        If false, the input is returned as it is.
    rng : numpy.random.Generator, SeedSequence, int or None
        As for `dropout`.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If the input has another number of axes.
    TypeError
        If the dtype is not one of the above, p is not a number, or training not a bool.
    ValueError
        If p is not from 0 to 1.

    References
    ----------
    J. Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv 1411.4280.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.dropout1d(np.ones((4, 2)), 0.5, rng=1).shape
    (4, 2)
    """
    return _dropped(DROPOUT, input, p, training, rng, {3: ("N", "C", "L"), 2: ("C", "L")})


def dropout2d(input: Tensor | ArrayLike, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Any:
    """Set whole channels to 0 with probability p, each by itself, and divide the others by 1 - p.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, H, W) or (C, H, W)
        float16, float32 or float64. Three axes are one image, as for `conv2d`; PyTorch still takes them for sequences
        (N, C, L), and warns: `dropout1d` is for those.
    p : float, default 0.5
        From 0 to 1.
    training : bool, default True
        If false, the input is returned as it is.
    rng : numpy.random.Generator, SeedSequence, int or None
        As for `dropout`.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If the input has another number of axes.
    TypeError
        If the dtype is not one of the above, p is not a number, or training not a bool.
    ValueError
        If p is not from 0 to 1.

    References
    ----------
    J. Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv 1411.4280.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> y = sl.dropout2d(np.ones((2, 3, 4, 4)), 0.5, rng=0)
    >>> set(y.reshape(6, 16).sum(1).tolist()) <= {0.0, 32.0}
    True
    """
    return _dropped(DROPOUT, input, p, training, rng, {4: ("N", "C", "H", "W"), 3: ("C", "H", "W")})


def dropout3d(input: Tensor | ArrayLike, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Any:
    """Set whole channels to 0 with probability p, each by itself, and divide the others by 1 - p.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, D, H, W) or (C, D, H, W)
        float16, float32 or float64.
    p : float, default 0.5
        From 0 to 1.
    training : bool, default True
        If false, the input is returned as it is.
    rng : numpy.random.Generator, SeedSequence, int or None
        As for `dropout`.

    Returns
    -------
    ndarray or Tensor
        The shape, dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If the input has another number of axes.
    TypeError
        If the dtype is not one of the above, p is not a number, or training not a bool.
    ValueError
        If p is not from 0 to 1.

    References
    ----------
    J. Tompson et al., "Efficient Object Localization Using Convolutional Networks", arXiv 1411.4280.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.dropout3d(np.ones((2, 3, 4, 4, 4)), rng=0).shape
    (2, 3, 4, 4, 4)
    """
    forms = {5: ("N", "C", "D", "H", "W"), 4: ("C", "D", "H", "W")}
    return _dropped(DROPOUT, input, p, training, rng, forms)


def _dropped(
    operation: Operation,
    input: Tensor | ArrayLike,
    p: Any,
    training: Any,
    rng: Rng,
    forms: dict[int, tuple[str, ...]] | None,
) -> Any:
    """Check, draw the mask and apply it; `forms` names the axes of an input whose channels share an entry."""
    p, training = probability("p", p), flag("training", training)
    x = float_array("input", array_of(input))
    shape = x.shape
    if forms is not None:
        if x.ndim not in forms:
            named = " or ".join(f"({', '.join(axes)})" for axes in forms.values())
            raise ShapeError(f"input must be {named}, but its shape is {x.shape}; use dropout for other shapes.")
        names = forms[x.ndim]
        shape = tuple(length if name in "NC" else 1 for name, length in zip(names, x.shape))
    kept = input if isinstance(input, Tensor) else x
    if not training or not p:
        return kept
    return apply(operation, kept, draw(shape, p, np.random.default_rng(rng)), p=p)
