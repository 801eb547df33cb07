"""Batches of a labelled set, in a new order each epoch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.transforms import Transform, to_float32
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag, integer

__all__ = ["Loader"]


class Loader:
    """Iterates over a labelled set of images in batches; each iteration is one epoch.

    Everything random in an epoch follows from the loader's seed, the number of the epoch, and (in transforms) the
    number of the batch. So the order is the same however the batches are used, and `state_dict` is two numbers.

    Parameters
    ----------
    images : array or sequence of arrays, (N, C, H, W)
        uint8 or floats. A NumPy array (a memory-mapped one too) is indexed batch by batch, anything else with
        ``len()`` and ``[i]`` image by image; the set is never copied as a whole.
    labels : sequence of int, (N,)
        The classes.
    batch_size : int
        Images per batch; the last batch has what is left.
    shuffle : bool, default False
        Whether each epoch visits the images in a new random order.
    rng : numpy.random.Generator or int, optional
        From what the loader's seed is drawn, once; None means fresh entropy.
    drop_last : bool, default False
        Whether a last batch smaller than `batch_size` is left out.
    transform : Transform, optional
        Applied to each batch as it was indexed, with a generator of the batch's own.

    Raises
    ------
    TypeError
        If the labels are not integers, or an argument has the wrong type.
    ShapeError
        If there is not one label per image, or `batch_size` is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.data import Loader
    >>> loader = Loader(np.zeros((10, 1, 28, 28), np.uint8), range(10), 4, shuffle=True, rng=0)
    >>> [(images.shape, images.dtype.name, len(labels)) for images, labels in loader]
    [((4, 1, 28, 28), 'float32', 4), ((4, 1, 28, 28), 'float32', 4), ((2, 1, 28, 28), 'float32', 2)]
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        batch_size: int,
        *,
        shuffle: bool = False,
        rng: np.random.Generator | int | None = None,
        drop_last: bool = False,
        transform: Transform | None = None,
    ) -> None:
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iu" and labels.size:
            raise TypeError(f"labels must be integers, but their dtype is {labels.dtype}.")
        if labels.shape != (len(images),):
            raise ShapeError(
                f"There must be one label for each of the {len(images)} images, "
                f"but the labels have the shape {labels.shape}."
            )
        self.images = images
        self.labels: Array = labels.astype(np.int64)
        self.batch_size = integer("batch_size", batch_size, 1)
        self.shuffle = flag("shuffle", shuffle)
        self.drop_last = flag("drop_last", drop_last)
        self.transform = transform
        self._seed = int(np.random.default_rng(rng).integers(2**63))
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """How many epochs have been started."""
        return self._epoch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        full, rest = divmod(len(self.labels), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Start an epoch.

        Yields
        ------
        images : float32 array, (B, C, H, W)
            Newly made; uint8 divided by 255, unless the transform has made floats of them.
        labels : int64 array, (B,)
        """
        epoch, self._epoch = self._epoch, self._epoch + 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        count = len(self.labels)
        order = self._generator(epoch).permutation(count) if self.shuffle else np.arange(count)
        for batch in range(len(self)):
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            images = _take(self.images, chosen)
            if self.transform is not None:
                images = self.transform(images, self._generator(epoch, batch))
            yield to_float32(images), self.labels[chosen]

    def _generator(self, *key: int) -> np.random.Generator:
        """Return a generator for one purpose: its stream depends on the seed and the key alone."""
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def state_dict(self) -> dict[str, int]:
        """Return what makes another loader of the same set continue with the next epoch as this one would.

        Returns
        -------
        dict
            "seed" and "epoch", the number of epochs started.
        """
        return {"seed": self._seed, "epoch": self._epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where the loader was from which `state_dict` came.

        Raises
        ------
        ShapeError
            If the entries are not "seed" and "epoch", or one is negative.
        TypeError
            If one is not an integer.
        """
        if set(state) != {"seed", "epoch"}:
            raise ShapeError(f'A loader\'s state must have the entries "seed" and "epoch", but has {sorted(state)}.')
        seed, epoch = integer("seed", state["seed"], 0), integer("epoch", state["epoch"], 0)
        self._seed, self._epoch = seed, epoch


def _take(images: Any, chosen: Array) -> Array:
    """Return the chosen images as a new array."""
    if isinstance(images, np.ndarray):
        return np.asarray(images[chosen])
    return np.stack([np.asarray(images[i]) for i in chosen.tolist()])
