"""Models that only compute results: their parameters cannot be changed, and what is made of them is kept."""

from typing import Any

from sevenloops.arrays import Array
from sevenloops.frozen import freeze_copy
from sevenloops.nn.module import Module

__all__ = ["freeze", "unfreeze"]


def freeze(model: Module) -> Module:
    """Make a model one for inference only: in evaluation mode, its parameters and buffers read-only.

    Machine code packs a convolution's weights in another order whenever it is called, which for one image takes as
    long as half of the multiplications. Of a frozen model it keeps them, in as much memory again.

    Parameters
    ----------
    model : Module
        It is changed in place. Writing to its parameters or buffers is an error from here on; `unfreeze` ends that.

    Returns
    -------
    Module
        The same.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> from sevenloops import nn
    >>> model = nn.utils.freeze(nn.Conv2d(3, 8, 3))
    >>> with sl.no_grad():
    ...     model(np.zeros((1, 3, 8, 8), np.float32)).shape
    (1, 8, 6, 6)
    >>> model.weight.data[:] = 0
    Traceback (most recent call last):
    ...
    ValueError: assignment destination is read-only
    """
    model.eval()
    _replace(model, freeze_copy)
    return model


def unfreeze(model: Module) -> Module:
    """Let a frozen model's parameters and buffers be changed again; it stays in evaluation mode.

    Parameters
    ----------
    model : Module

    Returns
    -------
    Module
        The same.
    """
    _replace(model, lambda array: array if array.flags.writeable else array.copy(order="K"))
    return model


def _replace(model: Module, change: Any) -> None:
    """Replace the array of each parameter and buffer, once even where several modules share it."""
    changed: dict[int, tuple[Array, Array]] = {}

    def replaced(array: Array) -> Array:
        if id(array) not in changed:
            changed[id(array)] = (array, change(array))
        return changed[id(array)][1]

    for parameter in model.parameters():
        parameter.data = replaced(parameter.data)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            vars(module)[name] = replaced(buffer)  # an assignment would copy it, and a copy can be written to
