"""Arrays in every order of memory, with NaN between and around their elements."""

import numpy as np

__all__ = ["ARRANGEMENTS", "arranged"]

ARRANGEMENTS = ("plain", "turned", "apart", "backwards", "in rows", "repeated")


def arranged(array, how):
    """Return the numbers of an array in other memory; "repeated" has the first entry of the first axis everywhere."""
    if how == "plain":
        return array.copy()
    if how == "turned":
        return np.ascontiguousarray(array.T).T
    if how == "repeated":
        return np.broadcast_to(array[:1].copy(), array.shape)
    step = {"apart": 2, "backwards": -1, "in rows": 1}[how]
    wide = np.full([abs(step) * n + 6 for n in array.shape], np.nan, array.dtype)
    view = wide[tuple(slice(3, 3 + abs(step) * n, abs(step)) for n in array.shape)]
    if step < 0:
        view = view[(slice(None, None, -1),) * array.ndim]
    view[...] = array
    return view
