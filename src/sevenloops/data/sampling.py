"""Drawing a fixed number of samples from each class, the same ones on every machine and in every version."""

from collections.abc import Sequence

import numpy as np

from sevenloops.arrays import Array
from sevenloops.errors import ShapeError

__all__ = ["draw_per_class"]


def draw_per_class(labels: Array, counts: Sequence[int], seed: int) -> Array:
    """Choose `counts[c]` samples of each class c at random.

    Each sample gets a random 64-bit key, and those with the smallest keys of their class are chosen. The keys come
    from the raw stream of PCG64, which NumPy keeps the same in all its versions (a Generator's methods may change):
    a model is evaluated on the very images that it has not been trained on.

    Parameters
    ----------
    labels : integer array, (N,)
        The class of each sample.
    counts : sequence of int
        How many to choose of class 0, 1, ….
    seed : int
        Another seed chooses other samples.

    Returns
    -------
    bool array, (N,)
        True for the samples chosen.

    Raises
    ------
    ShapeError
        If a class has fewer samples than its count.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([0, 0, 0, 1, 1, 1, 1])
    >>> chosen = draw_per_class(labels, [1, 2], seed=0)
    >>> np.bincount(labels[chosen]).tolist()
    [1, 2]
    """
    keys = np.random.PCG64(seed).random_raw(len(labels))
    chosen = np.zeros(len(labels), bool)
    for label, count in enumerate(counts):
        members = np.flatnonzero(labels == label)
        if count > len(members):
            raise ShapeError(
                f"A class must have as many samples as are drawn from it, but class {label} has {len(members)} "
                f"and {count} were asked for; ask for fewer."
            )
        chosen[members[np.argsort(keys[members], kind="stable")[:count]]] = True
    return chosen
