"""A convolution with what follows it in a network, for inference: no gradient is recorded."""

from typing import Any

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor
from sevenloops.conv import execute
from sevenloops.conv.problem import Epilogue
from sevenloops.functional.call import Form, inputs
from sevenloops.functional.convolution_call import Options, check_bias
from sevenloops.functional.repeated import Repeated
from sevenloops.geometry import ConvGeometry

__all__ = ["conv2d_and"]

_repeated = Repeated()


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
    residual : ndarray or Tensor of the result's shape, optional
    activation : {"relu", "relu6"}, optional
    algorithm, max_workspace, **parameters
        As in `conv2d`.

    Returns
    -------
    ndarray or Tensor
        A Tensor if x, weight or residual is one; it does not require a gradient.
    """
    options = Options.of(algorithm, max_workspace)
    given = (x, weight, bias)
    key = _repeated.key(given, (2, *options.as_key, *parameters.values()))
    known = _repeated.get(key)
    values, (x_array, w_array, b_array) = inputs(x=x, weight=weight, bias=bias)
    if known is None:
        form = Form.of(2, "NCHW", x_array.ndim)
        geometry = ConvGeometry.forward(form.shape(x_array.shape), w_array.shape, layout=form.layout, **parameters)
        check_bias(b_array, geometry.out_channels)
        known = form, options.plan(form, geometry, "forward", x_array)
        _repeated.keep(key, known, given, values)
    form, plan = known
    beside = residual.data if isinstance(residual, Tensor) else residual
    epilogue = Epilogue(b_array, scale, None if beside is None else form.enter(beside), activation)
    result = form.leave(execute.forward(form.enter(x_array), w_array, epilogue, plan))
    return Tensor(result) if any(isinstance(value, Tensor) for value in (x, weight, residual)) else result
