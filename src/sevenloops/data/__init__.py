"""Data sets, and the batches made from them.

`open_dataset` gives a `Dataset`, `download` fetches a published one, `Loader` iterates over its images in batches,
and transforms change each batch on the way. Reading image files needs Pillow; all else needs NumPy alone.
"""

from sevenloops.data.augmentation import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    RandomVerticalFlip,
)
from sevenloops.data.cifar import CIFAR10_CLASSES, read_cifar10, read_cifar10_folder
from sevenloops.data.dataset import Dataset
from sevenloops.data.datasets import DATASET_NAMES, digits, open_dataset
from sevenloops.data.downloads import DOWNLOAD_NAMES, cifar10, download, fashion_mnist, mnist
from sevenloops.data.idx import read_idx, write_idx
from sevenloops.data.idx_folder import IDX_FILES, read_idx_folder
from sevenloops.data.image_folder import read_image_folder
from sevenloops.data.images import load_image
from sevenloops.data.loader import Loader
from sevenloops.data.transforms import Compose, Normalize, Transform

__all__ = [
    "CIFAR10_CLASSES",
    "DATASET_NAMES",
    "DOWNLOAD_NAMES",
    "IDX_FILES",
    "CenterCrop",
    "Compose",
    "Dataset",
    "Loader",
    "Normalize",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomShift",
    "RandomVerticalFlip",
    "Transform",
    "cifar10",
    "digits",
    "download",
    "fashion_mnist",
    "load_image",
    "mnist",
    "open_dataset",
    "read_cifar10",
    "read_cifar10_folder",
    "read_idx",
    "read_idx_folder",
    "read_image_folder",
    "write_idx",
]
