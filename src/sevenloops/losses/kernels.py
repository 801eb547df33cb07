"""The table of the kernels of pointwise losses."""

from collections.abc import Callable

from sevenloops import backends
from sevenloops.activations.blocks import in_blocks
from sevenloops.losses import pointwise

__all__ = ["kernel"]

for _name in pointwise.__all__:
    _loss, _direction = _name, "forward"
    for _ending, _gradient in (("_target_grad", "target_grad"), ("_grad", "input_grad")):
        if _name.endswith(_ending):
            _loss, _direction = _name.removesuffix(_ending), _gradient
            break
    backends.register(_loss, _direction, "numpy", in_blocks(getattr(pointwise, _name)))


def kernel(name: str, direction: str) -> Callable[..., None]:
    """Return the kernel of a pointwise loss: "forward", "input_grad" or "target_grad", on the backend in use."""
    return backends.find(name, direction)
