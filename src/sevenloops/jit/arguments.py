"""The array of 64-bit integers that a kernel is given: one list of names for who writes it and who reads it."""

import ctypes
from collections.abc import Iterable, Mapping

from sevenloops.jit.language import Code, Value

__all__ = ["Layout"]


class Layout:
    """The names of a kernel's arguments, in their order; names in `pointers` are addresses."""

    def __init__(self, pointers: Iterable[str], integers: Iterable[str]) -> None:
        self.pointers = tuple(pointers)
        self.names = (*self.pointers, *integers)
        self.place = {name: i for i, name in enumerate(self.names)}
        self._type = ctypes.c_int64 * len(self.names)

    def read(self, code: Code, arguments: Value, name: str) -> Value:
        """Write the instruction that reads one of them."""
        load = code.load_pointer if name in self.pointers else code.load_int
        return load(arguments, self.place[name])

    def pack(self, values: Mapping[str, int]) -> "ctypes.Array[ctypes.c_int64]":
        """Return the array for a call.

        Raises
        ------
        KeyError
            If a name has no value.
        """
        return self._type(*[values[name] for name in self.names])
