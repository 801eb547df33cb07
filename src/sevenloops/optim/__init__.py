"""Optimizers: how parameters follow their gradients. Each is one record of its update and one file.

Clipping is here and, where PyTorch has it, in `sevenloops.nn.utils`.
"""

from sevenloops.clipping import clip_grad_norm_, clip_grad_value_
from sevenloops.optim.adagrad import Adagrad
from sevenloops.optim.adam import Adam, AdamW
from sevenloops.optim.optimizer import Optimizer
from sevenloops.optim.rmsprop import RMSprop
from sevenloops.optim.sgd import SGD
from sevenloops.optim.update import Update

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "Update", "clip_grad_norm_", "clip_grad_value_"]
