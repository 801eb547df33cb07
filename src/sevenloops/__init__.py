"""Convolution in every NumPy formulation, and a small, complete library for convolutional networks on top of it."""

from sevenloops import errors
from sevenloops.autograd import Tensor, enable_grad, is_grad_enabled, no_grad
from sevenloops.functional import (
    algorithms,
    conv1d,
    conv1d_input_grad,
    conv1d_weight_grad,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv3d,
    conv3d_input_grad,
    conv3d_weight_grad,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    plan_conv1d,
    plan_conv2d,
    plan_conv3d,
)
from sevenloops.runtime import get_num_threads, set_num_threads
from sevenloops.version import __version__

__all__ = [
    "Tensor",
    "__version__",
    "algorithms",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv3d",
    "conv3d_input_grad",
    "conv3d_weight_grad",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "enable_grad",
    "errors",
    "get_num_threads",
    "is_grad_enabled",
    "no_grad",
    "plan_conv1d",
    "plan_conv2d",
    "plan_conv3d",
    "set_num_threads",
]
