"""Give Tensor its operators and methods: the core knows no operation, so importing this module attaches them."""

from sevenloops.autograd import Tensor
from sevenloops.functional import arithmetic, matrix, reductions, shaping

__all__: list[str] = []

for _family in (arithmetic, matrix, reductions, shaping):
    for _name, _method in _family.METHODS.items():
        setattr(Tensor, _name, _method)
