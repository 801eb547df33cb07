"""Arrays that do not change any more, so that what has been made of them may be kept.

NumPy's flag alone would not do: who sets it may also lift it for a moment. An array is frozen if it was made so here,
owns its memory, and still cannot be written to.
"""

from weakref import ref

from sevenloops.arrays import Array

__all__ = ["freeze_copy", "is_frozen"]

_frozen: "dict[int, ref[Array]]" = {}


def freeze_copy(array: Array) -> Array:
    """Return a copy that cannot be written to; it is frozen for as long as it exists."""
    copy = array.copy(order="K")
    copy.flags.writeable = False
    key = id(copy)
    _frozen[key] = ref(copy, lambda _: _frozen.pop(key, None))
    return copy


def is_frozen(array: Array) -> bool:
    """Return whether an array was made by `freeze_copy` and has been left alone."""
    known = _frozen.get(id(array))
    return known is not None and known() is array and not array.flags.writeable
