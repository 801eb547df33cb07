"""What the layers of activations share."""

from collections.abc import Callable
from typing import Any, ClassVar

from sevenloops.arrays import ArrayLike
from sevenloops.autograd import Tensor
from sevenloops.geometry.arguments import flag
from sevenloops.nn.module import Module

__all__ = ["Activation", "InplaceActivation"]


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


class InplaceActivation(Activation):
    """A layer that in PyTorch may overwrite its input.

    Here nothing is overwritten, since operations keep their inputs for the gradients: the permission is taken, so
    that models can be written alike, and not made use of.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("inplace", inplace)

    def extra_repr(self) -> str:
        """Return the arguments, and the permission if there is one."""
        return ", ".join(filter(None, [super().extra_repr(), "inplace=True" if self.inplace else ""]))
