"""What is done to a finished sum before it is stored: act(scale · sum + bias + residual), or a part of it."""

from collections.abc import Callable
from dataclasses import dataclass

from sevenloops.jit.language import Code, Int, Value

__all__ = ["ACTIVATIONS", "ENDINGS", "NOTHING", "Ending"]


def _relu(code: Code, x: Value) -> Value:
    return code.select(x < code.zero(), code.zero(), x)  # what is not a number stays that


def _relu6(code: Code, x: Value) -> Value:
    x = _relu(code, x)
    six = code.vector(6.0)
    return code.select(x > six, six, x)


#: Activations by name: what writes the instructions for a vector.
ACTIVATIONS: dict[str, Callable[[Code, Value], Value]] = {"relu": _relu, "relu6": _relu6}

#: What a kernel is given for it, all addresses: a float per channel, a float per channel, an array like the result.
ENDINGS = ("scale", "bias", "residual")


@dataclass(frozen=True, slots=True)
class Ending:
    """Which parts are wanted.

    Attributes
    ----------
    scaled : bool
        Whether the sum is multiplied, and a bias added; without it the sum begins with the bias.
    residual : bool
        Whether an array like the result is added.
    activation : str or None
        A name of `ACTIVATIONS`.
    """

    scaled: bool = False
    residual: bool = False
    activation: str | None = None

    @property
    def is_something(self) -> bool:
        """Whether there is anything to do."""
        return self.scaled or self.residual or self.activation is not None

    @property
    def name(self) -> str:
        """What tells kernels with it from others."""
        return f"{'scaled_' * self.scaled}{'residual_' * self.residual}{self.activation or 'sum'}"

    def factors(
        self, code: Code, scale: Value, bias: Value, channel: Int, mask: Value | None
    ) -> tuple[Value, Value] | None:
        """Load the numbers of a vector of channels."""
        if not self.scaled:
            return None
        return code.load(scale, channel, mask), code.load(bias, channel, mask)

    def apply(
        self, code: Code, value: Value, factors: tuple[Value, Value] | None, residual: Value, mask: Value | None
    ) -> Value:
        """Finish a vector; `residual` is the address of what is added to it."""
        if factors is not None:
            value = code.fma(value, *factors)
        if self.residual:
            value = value + code.load(residual, 0, mask)
        return ACTIVATIONS[self.activation](code, value) if self.activation else value


#: The sum is stored as it is.
NOTHING = Ending()
