"""Finding where numbers have stopped being finite: which layer, and what of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Tensor, no_grad
from sevenloops.nn import Module

__all__ = ["check_gradients", "check_loss", "generators_of", "quiet_overflow"]

_REMEDY = "use a smaller learning rate"


def quiet_overflow() -> np.errstate:
    """Keep NumPy from warning of what the checks here find."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def generators_of(model: Module) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield the generators that a model draws from (in dropout), with their names ("features.3.generator")."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator):
                yield (f"{path}.{name}" if path else name), value


def check_loss(
    loss: float,
    where: str,
    model: Module,
    images: Callable[[], Array],
    states: Sequence[tuple[np.random.Generator, Any]] = (),
) -> None:
    """Raise an error if a loss is not finite.

    Parameters
    ----------
    loss : float
    where : str
        When it was computed, for the message.
    model : Module
    images : callable
        Returns the batch of which it is the loss.
    states : sequence of (Generator, state)
        The model's generators, and their states before the batch: with them it answers once more as it did.

    Raises
    ------
    FloatingPointError
        It names the layer where the first value that is not finite arose.
    """
    if math.isfinite(loss):
        return
    for generator, state in states:
        generator.bit_generator.state = state
    found = _first_layer(model, images())
    raise FloatingPointError(f"The loss must stay finite, but it is {loss} {where}: {found}; {_REMEDY}.")


def check_gradients(model: Module, where: str) -> None:
    """Raise an error if the gradient of a parameter is not finite.

    Raises
    ------
    FloatingPointError
        It names the last layer with such a gradient: those before it have got theirs from there.
    """
    bad = [name for name, parameter in model.named_parameters() if not _is_finite(parameter.grad)]
    if bad:
        layer, _, name = bad[-1].rpartition(".")
        raise FloatingPointError(
            f"The gradients must stay finite, but {where} that of {name} in {_called(model, layer)} is not, "
            f"the first on the way back from the loss; {_REMEDY}."
        )


def _first_layer(model: Module, images: Array) -> str:
    """Run the model on a batch and say where the first value that is not finite arises."""
    if not _is_finite(images):
        return "some of the images are not finite"
    found: list[str] = []

    def watch(path: str, module: Module) -> Callable[..., None]:
        def after(_: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if not found and not _is_finite(output):
                ruined = [name for name, p in module.named_parameters() if not _is_finite(p)]
                what = "its result is the first that is not"
                if ruined:
                    what = f"its {' and '.join(ruined)} had been ruined by the step before"
                found.append(f"it arose in {_called(model, path)}, {what}")

        return after

    # A layer is told of after those within it, so the innermost comes first.
    hooks = [module.register_forward_hook(watch(path, module)) for path, module in model.named_modules()]
    try:
        with no_grad():
            model(Tensor(images))
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "every layer's result is finite, so it arose in the loss itself"


def _called(model: Module, path: str) -> str:
    kind = type(dict(model.named_modules())[path]).__name__
    return f"{path} ({kind})" if path else f"the model itself ({kind})"


def _is_finite(value: Any) -> bool:
    """Whether all of an array or Tensor is finite; anything else is not asked."""
    array = value.data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return True
    # One pass and no array of flags: a sum with a NaN or an infinity is not finite; one without may overflow.
    return bool(np.isfinite(array.sum()) or np.isfinite(array).all())
