"""Opening a data set by name, or from a folder in one of the formats that are recognised."""

import os
from pathlib import Path

from sevenloops.data.cifar import find_cifar10_files, read_cifar10_folder
from sevenloops.data.dataset import Dataset
from sevenloops.data.idx import PathLike
from sevenloops.data.idx_folder import IDX_FILES, find_idx_files, read_idx_folder
from sevenloops.data.image_folder import holds_images, read_image_folder
from sevenloops.errors import DataError, ShapeError
from sevenloops.geometry.arguments import SizeLike
from sevenloops.runtime import cache_folder

__all__ = ["DATASET_NAMES", "IDX_CLASSES", "digits", "home_folder", "open_dataset"]

_DIGIT_NAMES = tuple("0123456789")
_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

#: The classes of the sets that are published as idx files, in the order of the labels.
IDX_CLASSES = {"mnist": _DIGIT_NAMES, "fashion-mnist": _FASHION_NAMES}
_IDX_LISTING = f"{', '.join(IDX_FILES)}, .gz or not"
_CIFAR10_LISTING = "data_batch_1.bin, data_batch_2.bin, …, test_batch.bin"

#: The names that `open_dataset` knows; "digits" comes with the package.
DATASET_NAMES = ("digits", *IDX_CLASSES, "cifar10")


def digits() -> Dataset:
    """Open the digits that come with the package: 6,000 images to train and 1,000 to test on, 1×28×28.

    They are a part of MNIST, 600 and 100 of each class, under the licence CC BY-SA 3.0; the folder
    ``sevenloops/data/bundled`` says how they were drawn.

    Returns
    -------
    Dataset

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    Examples
    --------
    >>> from sevenloops.data import digits
    >>> digits().class_names[:3]
    ('0', '1', '2')
    """
    return read_idx_folder(Path(__file__).with_name("bundled"), name="digits", class_names=_DIGIT_NAMES)


def open_dataset(name_or_folder: PathLike, *, channels: int | None = None, size: SizeLike | None = None) -> Dataset:
    """Open a data set by its name, or whatever a folder holds.

    A name is looked for in the folder that the variable SEVENLOOPS_DATA names, in ``./data``, and in ``data`` in
    `sevenloops.runtime.cache_folder`, in a folder of that name each.

    Parameters
    ----------
    name_or_folder : str or path
        "digits" (comes with the package), "mnist", "fashion-mnist", "cifar10", or a folder with idx files under
        their usual names, CIFAR-10 binary files, or one sub-folder of images per class. Where a folder is called as
        a data set, write ``./mnist``, or pass a `pathlib.Path`.
    channels, size : optional
        What `read_image_folder` makes of images in sub-folders; for these only.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the data set is not there, nothing that the folder holds is recognised, or a file is damaged.
    ShapeError
        If `channels` or `size` are given for another format than images in sub-folders.
    MissingExtraError
        If the folder holds images and Pillow is not installed.

    Examples
    --------
    >>> from sevenloops.data import open_dataset
    >>> open_dataset("digits").image_shape
    (1, 28, 28)
    """
    if isinstance(name_or_folder, str) and name_or_folder in DATASET_NAMES:
        _refuse_image_options(name_or_folder, channels, size)
        return _open_named(name_or_folder)
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise DataError(
            f"A data set must be one of {', '.join(DATASET_NAMES)} or a folder that exists, "
            f"but got {folder}; check the spelling."
        )
    if any(find_idx_files(folder)):
        _refuse_image_options(folder, channels, size)
        return read_idx_folder(folder)
    if any(find_cifar10_files(folder)):
        _refuse_image_options(folder, channels, size)
        return read_cifar10_folder(folder)
    if holds_images(folder):
        return read_image_folder(folder, channels=channels, size=size)
    raise DataError(
        f"{folder} must hold idx files ({_IDX_LISTING}), CIFAR-10 binary files ({_CIFAR10_LISTING}), or one "
        f"sub-folder of images per class (or train/ and test/ with such sub-folders), "
        f"but none of these is there; check the path."
    )


def _open_named(name: str) -> Dataset:
    if name == "digits":
        return digits()
    if name == "cifar10":
        return read_cifar10_folder(_find(name, _CIFAR10_LISTING), name=name)
    return read_idx_folder(_find(name, _IDX_LISTING), name=name, class_names=IDX_CLASSES[name])


def home_folder(name: str) -> Path:
    """Return the folder that a named data set is to be fetched into; it need not exist."""
    return _folders(name)[0 if os.environ.get("SEVENLOOPS_DATA") else -1]


def _folders(name: str) -> list[Path]:
    """Return the folders that a named data set may be in."""
    chosen = os.environ.get("SEVENLOOPS_DATA")
    roots = [Path(chosen)] if chosen else []
    return [root / name for root in (*roots, Path("data"), cache_folder() / "data")]


def _find(name: str, listing: str) -> Path:
    """Return the folder of a named data set; `listing` tells the user what it holds."""
    folders = _folders(name)
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DataError(
        f"{name} must be in one of the folders {', '.join(map(str, folders))}, but none of them exists; "
        f"fetch it with: sevenloops download {name}, or put the files {listing} into one of them, "
        f"or let the variable SEVENLOOPS_DATA name the folder that holds {name}."
    )


def _refuse_image_options(source: PathLike, channels: int | None, size: SizeLike | None) -> None:
    if channels is not None or size is not None:
        raise ShapeError(
            f"channels and size are for folders of images only, but got {channels!r} and {size!r} for {source}, "
            f"whose images have one format; leave both out."
        )
