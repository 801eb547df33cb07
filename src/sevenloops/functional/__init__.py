"""The public functions, for arrays and Tensors alike; one module per family."""

from sevenloops.functional.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from sevenloops.functional.convolution import conv1d, conv2d, conv3d
from sevenloops.functional.convolution_grads import (
    conv1d_input_grad,
    conv1d_weight_grad,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv3d_input_grad,
    conv3d_weight_grad,
)
from sevenloops.functional.plans import algorithms, plan_conv1d, plan_conv2d, plan_conv3d

__all__ = [
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
    "plan_conv1d",
    "plan_conv2d",
    "plan_conv3d",
]
