"""Gradients: the Tensor and the graph of what was done to it. No operation is known here; `functional` has them."""

from sevenloops.autograd.graph import Node
from sevenloops.autograd.operation import Operation
from sevenloops.autograd.tape import apply
from sevenloops.autograd.tensor import Tensor, enable_grad, is_grad_enabled, no_grad

__all__ = ["Node", "Operation", "Tensor", "apply", "enable_grad", "is_grad_enabled", "no_grad"]
