"""Gradients: the Tensor and the graph of what was done to it. No operation is known here; `functional` has them."""

from sevenloops.autograd.gradients import grad
from sevenloops.autograd.graph import Node, note_change
from sevenloops.autograd.mode import enable_grad, is_grad_enabled, no_grad
from sevenloops.autograd.operation import Operation
from sevenloops.autograd.tape import apply
from sevenloops.autograd.tensor import Tensor

__all__ = ["Node", "Operation", "Tensor", "apply", "enable_grad", "grad", "is_grad_enabled", "no_grad", "note_change"]
