"""The public functions, for arrays and Tensors alike; one module per family."""

from sevenloops.functional import methods as methods  # gives Tensor its operators
from sevenloops.functional.activations import leaky_relu, log_softmax, relu, sigmoid, softmax, tanh
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
from sevenloops.functional.linear import linear
from sevenloops.functional.losses import cross_entropy, mse_loss
from sevenloops.functional.plans import algorithms, plan_conv1d, plan_conv2d, plan_conv3d
from sevenloops.functional.shaping import flatten

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
    "cross_entropy",
    "flatten",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "plan_conv1d",
    "plan_conv2d",
    "plan_conv3d",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
