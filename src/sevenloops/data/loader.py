"""Batches of a labelled set, in a new order each epoch."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.prefetch import prepare_ahead
from sevenloops.data.transforms import Transform, to_float32
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import flag, integer

__all__ = ["Loader"]

_Batch: TypeAlias = tuple[Array, Array]


class Loader:
    """Iterates over a labelled set of images in batches; each iteration is one epoch.

    Everything random in an epoch follows from the loader's seed, the number of the epoch, and (in transforms) the
    number of the batch. So a batch is the same however those before it were used, and `state_dict` is three numbers
    that say which batch comes next:

    - Each ``iter()`` begins an epoch of its own, numbered from 0, even if the one before it has not come to its end.
    - ``epoch`` and ``batch`` are the number of the epoch that was begun last, and of the batches of it that have been
      handed out (not of those prepared). With its last batch the epoch is complete: the next epoch, and 0.
    - After `load_state_dict` the first ``iter()`` hands out the rest of that epoch, starting with exactly that batch;
      those after it are whole epochs again. ``len()`` is the number of batches of a whole epoch, always.

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
    prefetch : int, default 0
        How many batches a thread of the iterator prepares ahead, while those before them are used. They are the same
        bits as without. `images` and `transform` are then used by that thread; what they raise comes out of the
        iterator. The thread ends with the iterator. Where no thread can be started (a browser), batches are made when
        they are asked for, as with 0.

    Raises
    ------
    TypeError
        If the labels are not integers, or an argument has the wrong type.
    ShapeError
        If there is not one label per image, `batch_size` is less than 1, or `prefetch` is less than 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops.data import Loader
    >>> loader = Loader(np.zeros((10, 1, 28, 28), np.uint8), range(10), 4, shuffle=True, rng=0)
    >>> [(images.shape, images.dtype.name, len(labels)) for images, labels in loader]
    [((4, 1, 28, 28), 'float32', 4), ((4, 1, 28, 28), 'float32', 4), ((2, 1, 28, 28), 'float32', 2)]

    Another loader of the same set goes on in the middle of an epoch:

    >>> first, *rest = (labels.tolist() for _, labels in loader)
    >>> again = Loader(np.zeros((10, 1, 28, 28), np.uint8), range(10), 4, shuffle=True)
    >>> again.load_state_dict(loader.state_dict() | {"epoch": 1, "batch": 1})
    >>> [labels.tolist() for _, labels in again] == rest
    True
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
        prefetch: int = 0,
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
        self.prefetch = integer("prefetch", prefetch, 0)
        self._seed = int(np.random.default_rng(rng).integers(2**63))
        self._begin = (0, 0)  # the epoch, and the batch of it, that the next iterator starts with
        self._place = (0, 0)  # what state_dict says
        self._current = object()  # stands for the iterator that moves the place: the one that began last

    @property
    def epoch(self) -> int:
        """The number of the epoch to which the next batch belongs, as `state_dict` has it."""
        return self._place[0]

    @property
    def batch(self) -> int:
        """How many batches of that epoch have been handed out, as `state_dict` has it."""
        return self._place[1]

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        full, rest = divmod(len(self.labels), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[_Batch]:
        """Start an epoch, or go on with the one that was restored.

        Yields
        ------
        images : float32 array, (B, C, H, W)
            Newly made; uint8 divided by 255, unless the transform has made floats of them.
        labels : int64 array, (B,)
        """
        epoch, batch = self._begin
        self._begin = (epoch + 1, 0)
        self._current = iterator = object()
        self._place = self._after(epoch, batch)
        return self._batches(iterator, self._seed, epoch, batch)

    def _after(self, epoch: int, batch: int) -> tuple[int, int]:
        """Return the place after so many batches of an epoch."""
        return (epoch, batch) if batch < len(self) else (epoch + 1, 0)

    def _batches(self, iterator: object, seed: int, epoch: int, start: int) -> Iterator[_Batch]:
        count = len(self.labels)
        order = _generator(seed, epoch).permutation(count) if self.shuffle else np.arange(count)
        make = partial(self._make, seed, epoch, order)
        numbers = range(start, len(self))
        with closing(prepare_ahead(make, numbers, self.prefetch)) as batches:
            for number in numbers:
                yield self._handed_out(iterator, epoch, number, next(batches))

    def _handed_out(self, iterator: object, epoch: int, number: int, batch: _Batch) -> _Batch:
        if self._current is iterator:
            self._place = self._after(epoch, number + 1)
        return batch

    def _make(self, seed: int, epoch: int, order: Array, number: int) -> _Batch:
        """Return one batch; nothing in it depends on what has been made before."""
        chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
        images = _take(self.images, chosen)
        if self.transform is not None:
            images = self.transform(images, _generator(seed, epoch, number))
        return to_float32(images), self.labels[chosen]

    def state_dict(self) -> dict[str, int]:
        """Return what makes another loader of the same set, made with the same arguments, go on as this one would.

        Returns
        -------
        dict
            "seed", and "epoch" and "batch" of the next batch.
        """
        epoch, batch = self._place
        return {"seed": self._seed, "epoch": epoch, "batch": batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where the loader was from which `state_dict` came.

        Iterators that exist already finish their epochs and no longer count.

        Raises
        ------
        ShapeError
            If the entries are not "seed", "epoch" and "batch", one is negative, or "batch" is no batch of an epoch.
        TypeError
            If one is not an integer.
        """
        names = ("seed", "epoch", "batch")
        if set(state) != set(names):
            raise ShapeError(
                f'A loader\'s state must have the entries "seed", "epoch" and "batch", but has {sorted(state)}.'
            )
        seed, epoch, batch = (integer(name, state[name], 0) for name in names)
        if batch and batch >= len(self):
            raise ShapeError(
                f"batch must be less than the number of batches of an epoch, {len(self)}, but got {batch}; "
                f"restore the state of a loader of as many images and the same batch_size."
            )
        self._seed = seed
        self._begin = self._place = (epoch, batch)
        self._current = object()


def _generator(seed: int, *key: int) -> np.random.Generator:
    """Return a generator for one purpose: its stream depends on the seed and the key alone."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _take(images: Any, chosen: Array) -> Array:
    """Return the chosen images as a new array."""
    if isinstance(images, np.ndarray):
        return np.asarray(images[chosen])
    return np.stack([np.asarray(images[i]) for i in chosen.tolist()])
