"""Module: a piece of a network; what belongs to it is found by looking at its attributes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import DTYPES, Array, ArrayLike, float_dtype
from sevenloops.autograd import Tensor, note_change
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag
from sevenloops.nn.hooks import Hooked

__all__ = ["IncompatibleKeys", "Module", "Parameter"]

T = TypeVar("T")


class Parameter(Tensor):
    """A Tensor that a module owns and an optimizer changes; it requires a gradient unless told otherwise.

    Parameters
    ----------
    data : array_like or Tensor
        Copied, since optimizers write into a parameter and must not write into the caller's array.
    requires_grad : bool

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> nn.Parameter(np.zeros(2, np.float32))
    Parameter([0., 0.], dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = True) -> None:
        super().__init__(np.array(data.data if isinstance(data, Tensor) else data), requires_grad)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor").replace("\n ", "\n    ")


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` returns: names that the state lacks, and names that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Hooked):
    """Base of all layers and networks: attributes that are Parameters or Modules belong to it.

    A subclass assigns them in ``__init__`` and defines ``forward``; calling the module calls ``forward``.

    Attributes
    ----------
    training : bool
        Whether the module is being trained; `train` and `eval` set it.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(np.array(2.0))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale()
    >>> scale(np.array([1.0, 2.0])).numpy()
    array([2., 4.])
    >>> [name for name, _ in scale.named_parameters()]
    ['factor']
    """

    training: bool
    _buffers: dict[str, bool]
    _places: set[str]  # names that keep their place among the parameters or modules while they are None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the module's own attributes before any ``__init__`` runs."""
        module = super().__new__(cls)
        module.__dict__.update(training=True, _buffers={}, _places=set())
        module._set_no_hooks()
        return module

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take no arguments: since `__new__` takes any, Python would ignore those of a class without `__init__`."""
        if args or kwargs:
            listing = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
            raise TypeError(f"{type(self).__name__} takes no arguments, but got {listing:.100}; leave them out.")
        super().__init__()

    # --- what belongs to it --------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        for kind in (Parameter, Module):
            if isinstance(old, kind) and not isinstance(value, kind) and value is not None:
                remedy = f"write into .{name}.data, or assign a Parameter" if kind is Parameter else "assign a Module"
                raise TypeError(
                    f"A {kind.__name__} can be replaced by a {kind.__name__} or None, "
                    f"but {name!r} of {type(self).__name__} was assigned a {type(value).__name__}; {remedy}."
                )
        if value is None and isinstance(old, (Parameter, Module)):
            self._places.add(name)
        elif old is None and isinstance(value, (Parameter, Module)) and name not in self._places:
            self.__dict__.pop(name, None)  # as in PyTorch, a None that was no parameter has not kept it a place
        if name in self.__dict__.get("_buffers", ()):
            value = _buffer(name, value)
        super().__setattr__(name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Assign a parameter, or None where an optional one is absent; the name may come from a loop."""
        self._register(name, param, Parameter)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Assign a module, or None where an optional one is absent; the name may come from a loop."""
        self._register(name, module, Module)

    def register_buffer(self, name: str, tensor: ArrayLike | Tensor | None, persistent: bool = True) -> None:
        """Assign an array that is part of the module's state, but which no optimizer changes.

        Parameters
        ----------
        name : str
        tensor : array_like, Tensor or None
            Copied; the attribute is an ndarray. A Tensor that requires a gradient is refused, here and when the
            attribute is assigned again.
        persistent : bool
            Whether `state_dict` has it.
        """
        self._register(name, _buffer(name, tensor), np.ndarray)
        self._buffers[name] = flag("persistent", persistent)

    def _register(self, name: str, value: Any, kind: type) -> None:
        if not isinstance(name, str):
            raise TypeError(f"The name of a {kind.__name__} must be a string, but got {name!r}.")
        if not name or "." in name:
            raise ValueError(f"The name of a {kind.__name__} must not be empty or have a dot, but got {name!r}.")
        if hasattr(type(self), name) or not isinstance(vars(self).get(name), (kind, type(None))):
            raise ValueError(f"The name of a {kind.__name__} must be free, but {type(self).__name__} has {name!r}.")
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__} or None, but got a {type(value).__name__}.")
        setattr(self, name, value)
        if value is None:
            self._places.add(name)

    def _own(self, kind: type[T]) -> Iterator[tuple[str, T]]:
        for name, value in vars(self).items():
            if isinstance(value, kind):
                yield name, value

    def _own_buffers(self) -> Iterator[tuple[str, Array]]:
        for name in self._buffers:
            value = vars(self).get(name)
            if value is not None:
                yield name, value

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Yield the modules that are attributes of this one, each once, with their names."""
        return _once(self._own(Module), set())

    def children(self) -> Iterator["Module"]:
        """Yield the modules that are attributes of this one, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self, *, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, "Module"]]:
        """Yield this module and all below it with their names ("block.0.conv"), a parent before its children.

        Parameters
        ----------
        prefix : str
            What the names start with.
        remove_duplicate : bool
            Whether a module that stands in several places is yielded for the first of them only.
        """
        found = self._tree(prefix)
        return _once(found, set()) if remove_duplicate else found

    def _tree(self, prefix: str) -> Iterator[tuple[str, "Module"]]:
        yield prefix, self
        for name, child in self._own(Module):
            yield from child._tree(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        """Yield this module and all below it, each once, a parent before its children."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters of this module and, with `recurse`, of all below it, with their names.

        Parameters
        ----------
        prefix : str
            What the names start with.
        recurse : bool
        remove_duplicate : bool
            Whether a parameter that has several names is yielded under the first of them only.
        """
        found = self._members(lambda module: module._own(Parameter), prefix, recurse)
        return _once(found, set()) if remove_duplicate else found

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters of this module and, with `recurse`, of all below it, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Yield the buffers of this module and, with `recurse`, of all below it, with their names."""
        found = self._members(lambda module: module._own_buffers(), prefix, recurse)
        return _once(found, set()) if remove_duplicate else found

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """Yield the buffers of this module and, with `recurse`, of all below it, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _members(
        self, own: Callable[["Module"], Iterator[tuple[str, T]]], prefix: str, recurse: bool
    ) -> Iterator[tuple[str, T]]:
        for path, module in self._tree(prefix) if recurse else [(prefix, self)]:
            for name, value in own(module):
                yield (f"{path}.{name}" if path else name), value

    # --- what can be done to all of it ---------------------------------------------------------------------------

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Call `fn` with every module below and then with this one; return this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in every module below; return this module."""
        mode = flag("mode", mode)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch from training to evaluation, here and in every module below; return this module."""
        return self.train(False)

    def to(self, dtype: npt.DTypeLike) -> Self:
        """Convert all parameters, gradients and float buffers, here and below; return this module.

        Parameters
        ----------
        dtype : float16, float32 or float64
            An optimizer is made after it, since it keeps arrays of the parameters' dtype.

        Raises
        ------
        TypeError
            If the dtype is another one.
        """
        wanted = float_dtype(dtype)
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(wanted, copy=False)
            if parameter.grad is not None:
                parameter.grad = parameter.grad.astype(wanted, copy=False)
        for module in self.modules():
            for name, buffer in list(module._own_buffers()):
                if buffer.dtype in DTYPES:
                    vars(module)[name] = buffer.astype(wanted, copy=False)
        return self

    def half(self) -> Self:
        """Convert to float16, as `to` does."""
        return self.to(np.float16)

    def float(self) -> Self:
        """Convert to float32, as `to` does."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64, as `to` does."""
        return self.to(np.float64)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether gradients are computed for the parameters here and below (freeze or thaw them)."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or overwrite them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = np.zeros_like(parameter.grad)

    # --- its state -----------------------------------------------------------------------------------------------

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Array]]:
        """Yield the arrays that are the state, in PyTorch's order: parameters, buffers, then each child."""
        for name, parameter in self._own(Parameter):
            yield prefix + name, parameter.data
        for name, buffer in self._own_buffers():
            if self._buffers[name]:
                yield prefix + name, buffer
        for name, child in self._own(Module):
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self, *, prefix: str = "") -> dict[str, Array]:
        """Return copies of all parameters and persistent buffers, here and below, by name.

        Names and shapes are PyTorch's, so with `sevenloops.save` and `sevenloops.load` weights travel both ways.
        Unlike there the arrays are copies: a state that was kept does not change when training goes on.

        Examples
        --------
        >>> from sevenloops import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(24, 10))
        >>> {name: array.shape for name, array in model.state_dict().items()}
        {'0.weight': (6, 1, 5, 5), '0.bias': (6,), '3.weight': (10, 24), '3.bias': (10,)}
        """
        return {name: array.copy() for name, array in self._state(prefix)}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike | Tensor], strict: bool = True) -> IncompatibleKeys:
        """Copy arrays into the parameters and buffers of the same names; all of them, or none if one does not fit.

        Parameters
        ----------
        state_dict : mapping of str to array or Tensor
            As `state_dict` returns it. A smaller dtype of the same kind is widened (float16 into float32); one that
            would lose digits is refused.
        strict : bool
            Whether the names must be exactly those of this module. Shapes and dtypes must fit in any case.

        Returns
        -------
        IncompatibleKeys
            The names that were missing and those that were not expected; both empty if `strict`.

        Raises
        ------
        ShapeError
            If names, shapes or dtypes do not fit; the message lists every problem.
        TypeError
            If `state_dict` is not a mapping.

        Examples
        --------
        >>> from sevenloops import nn
        >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> b.load_state_dict(a.state_dict())
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must map names to arrays, but got a {type(state_dict).__name__}.")
        targets = list(self._state())
        names = {name for name, _ in targets}
        missing = [name for name, _ in targets if name not in state_dict]
        unexpected = [name for name in state_dict if name not in names]
        pairs = [(name, target, np.asarray(state_dict[name])) for name, target in targets if name in state_dict]
        problems = [problem for pair in pairs for problem in _misfits(*pair)]
        if flag("strict", strict):
            problems += [f"{name} is missing" for name in missing] + [
                f"{name} is not expected" for name in unexpected
            ]
        if problems:
            raise ShapeError(
                f"A state must fit the {type(self).__name__} it is loaded into, but {'; '.join(problems)}."
            )
        for _, target, value in pairs:
            np.copyto(target, value)
        written = {id(target) for _, target, _ in pairs}
        for parameter in self.parameters():
            if id(parameter.data) in written:
                note_change(parameter)
        return IncompatibleKeys(missing, unexpected)

    # --- how it looks --------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr; layers override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._own(Module)]
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = ([extra] if extra else []) + children
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _buffer(name: str, value: Any) -> Array | None:
    if value is None:
        return None
    if isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(
            f"A buffer is an array and carries no gradient, but {name!r} was assigned a Tensor that requires one; "
            f"assign tensor.detach(), and go on with the Tensor itself where its gradient is wanted."
        )
    array = np.array(value.data if isinstance(value, Tensor) else value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"Buffer {name!r} must be an array of numbers or bools, but its dtype is {array.dtype}.")
    return array


def _once(found: Iterator[tuple[str, T]], seen: set[int]) -> Iterator[tuple[str, T]]:
    """Yield the objects that have not been seen; their owner keeps them alive, so their ids stay their own."""
    for name, value in found:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _misfits(name: str, target: Array, value: Array) -> Iterator[str]:
    """Yield what keeps `value` from being copied into `target`."""
    if value.shape != target.shape:
        yield f"{name} has shape {value.shape} instead of {target.shape}"
    if value.dtype.kind != target.dtype.kind or not np.can_cast(value.dtype, target.dtype, "safe"):
        yield f"{name} is {value.dtype} instead of {target.dtype} (convert it with astype)"
