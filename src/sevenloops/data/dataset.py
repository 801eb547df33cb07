"""The record of a labelled set of images."""

from dataclasses import dataclass

import numpy as np

from sevenloops.arrays import Array
from sevenloops.errors import ShapeError

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A labelled set of images, divided into what is trained on and what is tested on.

    Parameters
    ----------
    name : str
        What the set is called.
    train_images : uint8 array, (N, C, H, W)
        Images to train on, 0 to 255.
    train_labels : int64 array, (N,)
        Their classes, each at least 0 and less than ``len(class_names)``.
    test_images : uint8 array, (M, C, H, W)
        Images to test on, of the same channels and size.
    test_labels : int64 array, (M,)
        Their classes.
    class_names : tuple of str
        The name of each class.

    Raises
    ------
    TypeError
        If a dtype is another one.
    ShapeError
        If shapes contradict each other, or a label has no class.

    Examples
    --------
    >>> from sevenloops.data import digits
    >>> digits()
    Dataset 'digits': 6000 training and 1000 test images of 1×28×28, 10 classes
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.dtype != np.uint8 or labels.dtype != np.int64:
                raise TypeError(
                    f"{part}_images must be uint8 and {part}_labels int64, "
                    f"but their dtypes are {images.dtype} and {labels.dtype}."
                )
            if images.ndim != 4 or labels.shape != images.shape[:1]:
                raise ShapeError(
                    f"{part}_images must have the shape (N, C, H, W) and {part}_labels (N,), "
                    f"but their shapes are {images.shape} and {labels.shape}."
                )
            if labels.size and not 0 <= labels.min() <= labels.max() < len(self.class_names):
                raise ShapeError(
                    f"{part}_labels must be at least 0 and less than the number of class names "
                    f"({len(self.class_names)}), but they range from {labels.min()} to {labels.max()}."
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ShapeError(
                f"Training and test images must have the same shape (C, H, W), "
                f"but theirs are {self.train_images.shape[1:]} and {self.test_images.shape[1:]}."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    def __repr__(self) -> str:
        size = "×".join(map(str, self.image_shape))
        return (
            f"Dataset {self.name!r}: {len(self.train_images)} training and {len(self.test_images)} test images "
            f"of {size}, {len(self.class_names)} classes"
        )
