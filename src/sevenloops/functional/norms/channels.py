"""Normalisation of channels, alone and in groups, for arrays and Tensors."""

from math import prod
from typing import Any

import numpy as np

from sevenloops.arrays import Array, ArrayLike, float_array, float_arrays, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import finite, flag, integer
from sevenloops.memory import allocate, has_channels_last
from sevenloops.norm import kernel

__all__ = [
    "BATCH_NORM",
    "GROUP_NORM",
    "INSTANCE_NORM",
    "batch_norm",
    "group_norm",
    "instance_norm",
]


def _channel_forward(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array | None,
    variance: Array | None,
    *,
    groups: int | None,
    eps: float,
) -> tuple[Any, Any]:
    """Normalise with the statistics given, or with those of x, which are then returned too: mean, biased variance."""
    given = mean is not None
    shape = (1, x.shape[1]) if groups is None else (len(x), groups)
    if mean is None or variance is None:
        mean, variance = kernel("channel_norm", "statistics")(x, groups) if x.size else (np.zeros(shape),) * 2
    mean, variance = (np.asarray(values, np.float64).reshape(shape) for values in (mean, variance))
    with np.errstate(all="ignore"):  # a variance may be 0, negative or infinite
        rstd = 1 / np.sqrt(variance + eps)
    y = _like(x)
    if x.size:
        kernel("channel_norm", "forward")(x, mean, rstd, weight, bias, groups, y)
    return (y if given else (y, mean, variance)), (x, weight, bias, mean, rstd, given)


def _channel_vjp(
    grad: Array, saved: Any, needs: tuple[bool, ...], *, groups: int | None, eps: float
) -> tuple[Array | None, Array | None, Array | None, None, None]:
    x, weight, bias, mean, rstd, given = saved
    dx = _like(x) if needs[0] else None
    dweight = dbias = np.zeros(x.shape[1])
    if x.size:
        dweight, dbias = kernel("channel_norm", "gradient")(grad, x, mean, rstd, weight, groups, given, dx)
    return dx, _rounded(dweight, weight, needs[1]), _rounded(dbias, bias, needs[2]), None, None


def _like(x: Array) -> Array:
    """Allocate a result in the memory order of x."""
    return allocate(x.shape, x.dtype, has_channels_last(x, otherwise=False))


def _rounded(gradient: Array, parameter: Array | None, needed: bool) -> Array | None:
    if not needed or parameter is None:
        return None
    return narrow(gradient.reshape(parameter.shape), parameter.dtype)


#: Attributes: groups (None for whole channels of all images), eps.
BATCH_NORM = Operation("batch_norm", _channel_forward, _channel_vjp)
GROUP_NORM = Operation("group_norm", _channel_forward, _channel_vjp)
INSTANCE_NORM = Operation("instance_norm", _channel_forward, _channel_vjp)


def batch_norm(
    input: Tensor | ArrayLike,
    running_mean: Array | Tensor | None,
    running_var: Array | Tensor | None,
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel by its mean and variance over batch and space.

    y[n, c, …] = (x[n, c, …] - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    In training, mean and (biased) variance are those of the batch, and the running ones move towards them in place:
    running = (1 - momentum) · running + momentum · batch, with the unbiased variance. Otherwise the running ones are
    used.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, *spatial)
        float16, float32 or float64, like weight and bias; any number of spatial axes, none included.
    running_mean, running_var : ndarray or Tensor, (C,), optional
        Of any float dtype. Needed unless training; in training written to, if given.
    weight, bias : ndarray or Tensor, (C,), optional
    training : bool
    momentum : float
        The weight of this batch in the running statistics.
    eps : float

    Returns
    -------
    ndarray or Tensor, (N, C, *spatial)
        A Tensor if input, weight or bias is one; the dtype and memory order of the input. An empty batch leaves the
        running statistics alone.

    Raises
    ------
    ShapeError
        If shapes do not fit, or in training a channel has only one value.
    TypeError
        If dtypes differ or are not floats, or running statistics to be written are not arrays.
    ValueError
        If running statistics are missing, or momentum or eps is not a finite number.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch normalization", arXiv 1502.03167.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> sl.batch_norm(x, None, None, training=True).round(4)
    array([[-1., -1.], [ 1., 1.]])
    >>> mean, var = np.zeros(2), np.ones(2)
    >>> y = sl.batch_norm(x, mean, var, training=True, momentum=0.5)
    >>> mean, var
    (array([ 1., 10.]), array([ 1.5, 100.5]))
    """
    value, weight, bias, x = _channel_inputs(input, weight, bias)
    if flag("training", training) and x.size and x.size == x.shape[1]:
        raise ShapeError(
            f"Batch norm in training needs more than 1 value per channel, but the input has shape {x.shape}; "
            f"use larger batches, or eval()."
        )
    return _with_running(BATCH_NORM, value, x, weight, bias, running_mean, running_var, None, training, momentum, eps)


def instance_norm(
    input: Tensor | ArrayLike,
    running_mean: Array | Tensor | None = None,
    running_var: Array | Tensor | None = None,
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel of each image by its mean and variance over space.

    y[n, c, …] = (x[n, c, …] - mean[n, c]) / √(var[n, c] + eps) · weight[c] + bias[c]

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, *spatial)
        float16, float32 or float64, like weight and bias; at least one spatial axis.
    running_mean, running_var : ndarray or Tensor, (C,), optional
        Written to with `use_input_stats` (averages over the images, the variance unbiased), else used.
    weight, bias : ndarray or Tensor, (C,), optional
    use_input_stats : bool
        Whether mean and variance are those of the input; else they are the running ones.
    momentum : float
        The weight of this batch in the running statistics.
    eps : float

    Returns
    -------
    ndarray or Tensor, (N, C, *spatial)
        A Tensor if input, weight or bias is one; the dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If shapes do not fit, or with `use_input_stats` a channel of an image has only one value.
    TypeError
        If dtypes differ or are not floats, or running statistics to be written are not arrays.
    ValueError
        If running statistics are missing, or momentum or eps is not a finite number.

    References
    ----------
    D. Ulyanov et al., "Instance normalization: the missing ingredient for fast stylization", arXiv 1607.08022.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.instance_norm(np.array([[[1.0, 3.0], [10.0, 30.0]]])).round(4)
    array([[[-1., 1.], [-1., 1.]]])
    """
    value, weight, bias, x = _channel_inputs(input, weight, bias)
    if x.ndim < 3:
        raise ShapeError(f"Instance norm needs a spatial axis, (N, C, *spatial), but the input has shape {x.shape}.")
    inputs_used = flag("use_input_stats", use_input_stats)
    if inputs_used and prod(x.shape[2:]) == 1:
        raise ShapeError(
            f"Instance norm needs more than 1 value per channel of an image, but the input has shape {x.shape}; "
            f"use larger images, or group norm."
        )
    groups = x.shape[1] if inputs_used else None
    return _with_running(
        INSTANCE_NORM, value, x, weight, bias, running_mean, running_var, groups, use_input_stats, momentum, eps
    )


def group_norm(
    input: Tensor | ArrayLike,
    num_groups: int,
    weight: Tensor | ArrayLike | None = None,
    bias: Tensor | ArrayLike | None = None,
    eps: float = 1e-5,
) -> Any:
    """Normalise groups of neighbouring channels of each image by their mean and variance.

    y[n, c, …] = (x[n, c, …] - mean[n, g]) / √(var[n, g] + eps) · weight[c] + bias[c],  g = c // (C / num_groups)

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, *spatial)
        float16, float32 or float64, like weight and bias; any number of spatial axes, none included.
    num_groups : int
        Divides C.
    weight, bias : ndarray or Tensor, (C,), optional
    eps : float

    Returns
    -------
    ndarray or Tensor, (N, C, *spatial)
        A Tensor if input, weight or bias is one; the dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If num_groups does not divide C, other shapes do not fit, or there is only one value per group and image.
    TypeError
        If dtypes differ or are not floats.
    ValueError
        If eps is not a finite number.

    References
    ----------
    Y. Wu and K. He, "Group normalization", arXiv 1803.08494.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(4)
    array([[-1., 1., -1., 1.]])
    """
    value, weight, bias, x = _channel_inputs(input, weight, bias)
    groups = integer("num_groups", num_groups, 1)
    if x.shape[1] % groups:
        raise ShapeError(f"num_groups must divide the channels, but {groups} does not divide {x.shape[1]}.")
    if x.size == groups:
        raise ShapeError(
            f"Group norm needs more than 1 value per group, but the input has shape {x.shape} and {groups} groups; "
            f"use fewer groups."
        )
    result = apply(GROUP_NORM, value, weight, bias, None, None, groups=groups, eps=finite("eps", eps))
    return result[0]


def _channel_inputs(input: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any, Array]:
    """Return input, weight and bias as Tensors or checked arrays, and the input's array."""
    given = {"input": input, "weight": weight, "bias": bias}
    x, w, b = float_arrays(**{name: _plain(value) for name, value in given.items()})
    if x is None or x.ndim < 2:
        raise ShapeError(f"input must be (N, C, *spatial), but its shape is {np.shape(x)}; add the missing axis.")
    for name, parameter in (("weight", w), ("bias", b)):
        _check_channels(name, parameter, x.shape)
    return _keep(input, x), _keep(weight, w), _keep(bias, b), x


def _check_channels(name: str, values: Array | None, shape: tuple[int, ...]) -> None:
    if values is not None and values.shape != shape[1:2]:
        raise ShapeError(
            f"{name} must have one entry per channel, shape {shape[1:2]}, but its shape is {values.shape} "
            f"and the input's {shape}."
        )


def _with_running(
    operation: Operation,
    value: Any,
    x: Array,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    groups: int | None,
    training: bool,
    momentum: Any,
    eps: Any,
) -> Any:
    """Apply batch or instance norm with the statistics of the input, or with the running ones."""
    options = {"groups": groups, "eps": finite("eps", eps)}
    momentum = finite("momentum", momentum)
    mean, variance = (
        _running_array(name, running, x.shape, written=training)
        for name, running in (("running_mean", running_mean), ("running_var", running_var))
    )
    if (mean is None) != (variance is None) or (mean is None and not training):
        raise ValueError(
            f"running_mean and running_var must be given {'both or neither' if training else 'unless training'}, "
            f"but got {running_mean} and {running_var}."
        )
    if not training:
        return apply(operation, value, weight, bias, mean, variance, **options)
    result, batch_mean, batch_variance = apply(operation, value, weight, bias, None, None, **options)
    if x.size and mean is not None and variance is not None:
        count = x.size // batch_mean.size
        _move(mean, batch_mean.mean(0), momentum)
        _move(variance, batch_variance.mean(0) * (count / (count - 1)), momentum)
    return result


def _running_array(name: str, value: Any, shape: tuple[int, ...], written: bool) -> Array | None:
    """Return running statistics as an array: the very one that was given, if it is to be written to."""
    plain = _plain(value)
    if plain is None:
        return None
    if written and not (isinstance(plain, np.ndarray) and plain.flags.writeable):
        raise TypeError(
            f"{name} is written to in training and must be a writable array, but got a {type(value).__name__}; "
            f"make one with numpy.array."
        )
    array = float_array(name, plain)
    _check_channels(name, array, shape)
    return plain if written else array


def _move(running: Array, batch: Array, momentum: float) -> None:
    with np.errstate(all="ignore"):
        np.copyto(running, running + momentum * (batch - running), casting="same_kind")


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _keep(value: Any, array: Any) -> Any:
    """Return a Tensor as it is, and anything else as the array that it was converted to."""
    return value if isinstance(value, Tensor) else array
