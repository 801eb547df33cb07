"""A folder of images, one sub-folder per class."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sevenloops.arrays import Array
from sevenloops.data.dataset import Dataset
from sevenloops.data.idx import PathLike
from sevenloops.data.images import image_header, is_image_name, load_image
from sevenloops.data.sampling import draw_per_class
from sevenloops.errors import DataError, ShapeError
from sevenloops.geometry.arguments import SizeLike, per_axis

__all__ = ["holds_images", "read_image_folder"]

_DEFAULT_SIDE = 32

_File = tuple[Path, int]  # an image and its label


def holds_images(folder: Path) -> bool:
    """Return whether a folder, or its train/ if it is divided, has a sub-folder with an image."""
    roots = (folder / "train",) if _is_divided(folder) else (folder,)
    return any(_images(sub) for root in roots for sub in _folders(root))


def read_image_folder(
    folder: PathLike,
    *,
    name: str | None = None,
    channels: int | None = None,
    size: SizeLike | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Read a data set from a folder with one sub-folder of images per class.

    Parameters
    ----------
    folder : str or path
        Holds ``CLASS/IMAGE`` files, or ``train/CLASS/IMAGE`` and ``test/CLASS/IMAGE``. The classes are the sorted
        names of the sub-folders. Files that are no images by their name, and names with a dot in front, are left out;
        symbolic links are followed. No image is left out because it cannot be read: the first one ends it all.
    name : str, optional
        The data set's name; None takes the folder's.
    channels : int, optional
        1 for grey, 3 for red, green and blue; None takes 1 where every image is grey.
    size : int or (int, int), optional
        Height and width to which all images are resized; None keeps the size that they share, if they share one
        of at most 32×32, and takes 32×32 otherwise.
    test_fraction : float, default 0.2
        Without train/ and test/, how much of each class is set aside to test on, at least one image and not all.
    seed : int, default 0
        Which images are set aside; the same seed chooses the same ones.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If there are fewer than two classes, a class has no or too few images, test/ has a class that train/ has not,
        or a file is damaged.
    OSError
        If a file cannot be opened.
    ShapeError
        If an argument is outside its range.
    MissingExtraError
        If Pillow is not installed.
    """
    if not 0 < test_fraction < 1:
        raise ShapeError(f"test_fraction must lie between 0 and 1, but got {test_fraction!r}.")
    folder = Path(folder)
    divided = _is_divided(folder)
    classes = tuple(path.name for path in _folders(folder / "train" if divided else folder))
    if len(classes) < 2:
        raise DataError(
            f"{folder / 'train' if divided else folder} must have one sub-folder of images for each of at least two "
            f"classes, but it has {len(classes)}: {', '.join(classes) or 'none'}; sort the images into sub-folders."
        )
    labels = {name: label for label, name in enumerate(classes)}
    if divided:
        train = _files(folder / "train", labels)
        test = _files(folder / "test", _test_labels(folder, labels))
    else:
        train, test = _split(_files(folder, labels), folder, test_fraction, seed)
    channels, size = _common_format(train + test, channels, size)
    return Dataset(
        name or folder.resolve().name, *_load(train, channels, size), *_load(test, channels, size), classes
    )


def _is_divided(folder: Path) -> bool:
    return all((folder / part).is_dir() and _folders(folder / part) for part in ("train", "test"))


def _folders(folder: Path) -> list[Path]:
    return sorted(
        (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")),
        key=lambda path: path.name,
    )


def _images(folder: Path) -> list[Path]:
    return sorted(
        # A link that leads nowhere counts: to open it is an error that names it.
        (path for path in folder.iterdir() if is_image_name(path.name) and (path.is_file() or _is_dead_link(path))),
        key=lambda path: path.name,
    )


def _is_dead_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _files(root: Path, labels: Mapping[str, int]) -> list[_File]:
    """Return every image of the classes with its label, in the order of their names."""
    files = []
    for name, label in labels.items():
        images = _images(root / name)
        if not images:
            raise DataError(f"{root / name} must hold the images of a class, but no file there is one; remove it.")
        files += [(path, label) for path in images]
    return files


def _test_labels(folder: Path, labels: Mapping[str, int]) -> dict[str, int]:
    """Return the labels of the classes in test/; some of those in train/ may be absent there."""
    names = [path.name for path in _folders(folder / "test")]
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise DataError(
            f"{folder / 'test'} must have only classes that {folder / 'train'} has ({', '.join(labels)}), "
            f"but it has {', '.join(unknown)} too; rename or remove it."
        )
    return {name: labels[name] for name in names}


def _split(files: list[_File], folder: Path, fraction: float, seed: int) -> tuple[list[_File], list[_File]]:
    """Divide the files into those to train on and those to test on, class by class."""
    labels = np.array([label for _, label in files])
    counts: list[int] = []
    for size in np.bincount(labels).tolist():
        if size < 2:
            name = files[int(np.flatnonzero(labels == len(counts))[0])][0].parent.name
            raise DataError(
                f"{folder / name} must hold at least two images, one to train and one to test on, "
                f"but it holds {size}; add some."
            )
        counts.append(min(max(int(size * fraction + 0.5), 1), size - 1))
    chosen = draw_per_class(labels, counts, seed)
    return (
        [file for file, is_test in zip(files, chosen) if not is_test],
        [file for file, is_test in zip(files, chosen) if is_test],
    )


def _common_format(files: list[_File], channels: int | None, size: SizeLike | None) -> tuple[int, tuple[int, ...]]:
    """Choose the channels and the (height, width) of all images, where they are not given."""
    if channels is not None and size is not None:
        return channels, per_axis("size", size, 2)
    headers = [image_header(path) for path, _ in files]
    if channels is None:
        channels = max(own for own, _ in headers)
    if size is not None:
        return channels, per_axis("size", size, 2)
    sizes = {own for _, own in headers}
    shared = sizes.pop()
    return channels, shared if not sizes and max(shared) <= _DEFAULT_SIDE else (_DEFAULT_SIDE, _DEFAULT_SIDE)


def _load(files: list[_File], channels: int, size: tuple[int, ...]) -> tuple[Array, Array]:
    """Read the images as (N, C, H, W) and their labels as (N,)."""
    images = np.empty((len(files), channels, *size), np.uint8)
    for i, (path, _) in enumerate(files):
        images[i] = load_image(path, channels, size)
    return images, np.array([label for _, label in files], np.int64)
