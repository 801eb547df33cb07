"""What the layers of activations share."""

from collections.abc import Callable
from typing import Any, ClassVar

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.nn.module import Module

__all__ = ["Activation"]


class Activation(Module):
    """What the layers share: the function of their name, and the attributes that are its arguments."""

    function: ClassVar[Callable[..., Any]]
    names: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Tensor | ArrayLike) -> Any:
        """Return the activation of x."""
        return type(self).function(x, *(getattr(self, name) for name in self.names))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.names)
