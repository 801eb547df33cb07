"""Give Tensor its operators and methods: the core knows no operation, so importing this module attaches them."""

from typing import Any

from sevenloops.autograd import Tensor
from sevenloops.functional import activations
from sevenloops.functional.elements import arithmetic, comparison, conversion, elementwise, powers, selection
from sevenloops.functional.products import matrix
from sevenloops.functional.reductions import extremes, moments, sums
from sevenloops.functional.shapes import axes, indexing, joining, shaping

__all__ = ["METHODS"]

METHODS: dict[str, Any] = {}
for _family in (
    arithmetic,
    elementwise,
    powers,
    selection,
    comparison,
    matrix,
    sums,
    moments,
    extremes,
    shaping,
    axes,
    indexing,
    joining,
    conversion,
):
    METHODS |= _family.METHODS
for _function in (
    activations.erf,
    activations.relu,
    activations.sigmoid,
    activations.tanh,
    activations.softmax,
    activations.log_softmax,
):
    METHODS[_function.__name__] = _function
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
