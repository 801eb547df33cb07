"""Modules made of modules that have a place."""

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self, overload

from sevenloops.autograd import Tensor
from sevenloops.nn.fusion import run
from sevenloops.nn.module import Module, Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]


class _Container(Module):
    """A list of modules; the name of each is its place, unless it was given with another one."""

    def _names(self) -> list[str]:
        return [name for name, _ in self._own(Module)]

    def _name(self, index: int) -> str:
        names = self._names()
        place = operator.index(index)
        if not -len(names) <= place < len(names):
            raise IndexError(f"An index must be less than the number of modules, {len(names)}, but got {index}.")
        return names[place]

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._own(Module)])

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, slice):
            part = type(self)()
            for name, module in list(self._own(Module))[index]:
                part.add_module(self._name_in_part(part, name), module)
            return part
        found: Module = getattr(self, self._name(index))
        return found

    def _name_in_part(self, part: Self, name: str) -> str:
        return name

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name(index), module)

    def append(self, module: Module) -> Self:
        """Add a module at the end; return the container."""
        name = str(len(self))
        if hasattr(self, name):
            raise ValueError(f"append names a module by its place, but {name!r} is taken; use add_module.")
        self.add_module(name, module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end; return the container."""
        for module in modules:
            self.append(module)
        return self


class Sequential(_Container):
    """Modules that are called one after another, each with the result of the one before.

    Parameters
    ----------
    *args : Module, or one mapping of str to Module
        Named "0", "1", …, or as the mapping says.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Tanh())
    >>> model(np.zeros((5, 2, 3), np.float32)).shape
    (5, 4)
    >>> model[1]
    Linear(in_features=6, out_features=4, bias=True)
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            pairs: Iterable[tuple[str, Any]] = args[0].items()
        else:
            pairs = ((str(place), module) for place, module in enumerate(args))
        for name, module in pairs:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Return the result of the last module, or the input where there is none."""
        return run(self, input)


class ModuleList(_Container):
    """Modules in a list that belong to the module that has the list; what is called when is its own business.

    Parameters
    ----------
    modules : iterable of Module

    Examples
    --------
    >>> from sevenloops import nn
    >>> heads = nn.ModuleList(nn.Linear(4, n) for n in (2, 3))
    >>> [head.out_features for head in heads]
    [2, 3]
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _name_in_part(self, part: Self, name: str) -> str:
        return str(len(part))

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at that place, as ``list.insert`` does."""
        modules = list(self)
        modules.insert(index, module)
        for place, moved in enumerate(modules):
            self.add_module(str(place), moved)


class ModuleDict(Module):
    """Modules by name that belong to the module that has the mapping; what is called when is its own business.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs
        Names without dots that no method has.

    Examples
    --------
    >>> from sevenloops import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(4, 10), "parity": nn.Linear(4, 2)})
    >>> heads["parity"].out_features, list(heads)
    (2, ['digit', 'parity'])
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def _entries(self) -> dict[str, Module]:
        return dict(self._own(Module))

    def __getitem__(self, key: str) -> Module:
        return self._entries()[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, key: object) -> bool:
        return key in self._entries()

    def keys(self) -> KeysView[str]:
        """Return the names, in their order."""
        return self._entries().keys()

    def values(self) -> ValuesView[Module]:
        """Return the modules, in their order."""
        return self._entries().values()

    def items(self) -> ItemsView[str, Module]:
        """Return pairs of name and module, in their order."""
        return self._entries().items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add the modules of a mapping, or of pairs; those of names that are there are replaced."""
        for name, module in modules.items() if isinstance(modules, Mapping) else modules:
            self[name] = module

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        module = self[key]
        delattr(self, key)
        return module


class ParameterList(Module):
    """Parameters in a list that belong to the module that has the list.

    Parameters
    ----------
    values : iterable of Parameter, Tensor or array_like
        What is no Parameter becomes one.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn
    >>> scales = nn.ParameterList(np.ones(n) for n in (2, 3))
    >>> [scale.shape for scale in scales], list(scales.state_dict())
    ([(2,), (3,)], ['0', '1'])
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(values)

    def _entries(self) -> list[Parameter]:
        return [parameter for _, parameter in self._own(Parameter)]

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._entries())

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Parameter | Self:
        found = self._entries()[index]
        return found if isinstance(found, Parameter) else type(self)(found)

    def __setitem__(self, index: int, value: Any) -> None:
        place = range(len(self))[operator.index(index)]
        self.register_parameter(str(place), _parameter(value))

    def append(self, value: Any) -> Self:
        """Add a parameter at the end; return the list."""
        self.register_parameter(str(len(self)), _parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several parameters at the end; return the list."""
        for value in values:
            self.append(value)
        return self


def _parameter(value: Any) -> Parameter:
    if isinstance(value, Parameter):
        return value
    return Parameter(value, requires_grad=value.requires_grad if isinstance(value, Tensor) else True)
