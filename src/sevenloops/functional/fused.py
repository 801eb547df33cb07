"""A convolution with what follows it in a network, for inference: no gradient is recorded."""

from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor
from sevenloops.conv import execute
from sevenloops.conv.problem import Epilogue
from sevenloops.functional import activations
from sevenloops.functional.call import Form, inputs
from sevenloops.functional.convolution_call import Options, check_bias
from sevenloops.functional.repeated import Repeated
from sevenloops.geometry import ConvGeometry

__all__ = ["conv2d_and"]

_repeated = Repeated()
_ACTIVATIONS = {"relu": activations.relu, "relu6": activations.relu6}


def conv2d_and(
    x: Any,
    weight: Any,
    bias: Array | None,
    scale: Array | None,
    residual: Any,
    activation: str | None,
    *,
    algorithm: str,
    max_workspace: int | None,
    **parameters: Any,
) -> Any:
    """Return activation(scale · conv2d(x, weight) + bias + residual), of an input (N, C, H, W).

    Parameters
    ----------
    x, weight : ndarray or Tensor
        As in `conv2d` in layout "NCHW".
    bias, scale : ndarray (C_out,), optional
        With a scale both have the dtype in which x is computed.
    residual : ndarray or Tensor, optional
        What can be added to the result; where its shape or dtype is another one, that is done afterwards.
    activation : {"relu", "relu6"}, optional
    algorithm, max_workspace, **parameters
        As in `conv2d`.

    Returns
    -------
    ndarray or Tensor
        A Tensor if x, weight or residual is one; it does not require a gradient.
    """
    options = Options.of(algorithm, max_workspace)
    # A bias that follows a scale has been worked out, in another dtype than a float16 x has.
    given = (x, weight, bias if scale is None else None)
    key = _repeated.key(given, (2, *options.as_key, *parameters.values()))
    known = _repeated.get(key)
    values, (x_array, w_array, b_array) = inputs(x=x, weight=weight, bias=given[2])
    if known is None:
        form = Form.of(2, "NCHW", x_array.ndim)
        geometry = ConvGeometry.forward(form.shape(x_array.shape), w_array.shape, layout=form.layout, **parameters)
        check_bias(b_array, geometry.out_channels)
        known = form, options.plan(form, geometry, "forward", x_array)
        _repeated.keep(key, known, given, values)
    form, plan = known
    beside = residual.data if isinstance(residual, Tensor) else residual
    if beside is not None:
        shape = plan.problem.geometry.out_shape[0 if form.batched else 1 :]
        if type(beside) is not np.ndarray or beside.dtype != x_array.dtype or beside.shape != shape:
            y = conv2d_and(
                x, weight, bias, scale, None, None, algorithm=algorithm, max_workspace=max_workspace, **parameters
            )
            y = y + residual
            return y if activation is None else _ACTIVATIONS[activation](y)
        beside = form.enter(beside)
    epilogue = Epilogue(b_array if scale is None else bias, scale, beside, activation)
    result = form.leave(execute.forward(form.enter(x_array), w_array, epilogue, plan))
    return Tensor(result) if any(isinstance(value, Tensor) for value in (x, weight, residual)) else result
