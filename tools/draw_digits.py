"""Draw the bundled digits from MNIST: 600 training and 100 test images of each class, in their original order.

    python tools/draw_digits.py FOLDER [--out FOLDER]

FOLDER holds the four idx files of MNIST. The same MNIST gives the same images everywhere, and the same zlib the same
bytes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sevenloops.data.idx import write_idx
from sevenloops.data.idx_folder import IDX_FILES, read_idx_folder
from sevenloops.data.sampling import draw_per_class

SEED = 1998  # the year of LeNet-5
TRAIN_PER_CLASS = 600
TEST_PER_CLASS = 100
BUNDLED = Path(__file__).resolve().parents[1] / "src" / "sevenloops" / "data" / "bundled"


def draw(mnist: Path, out: Path) -> None:
    """Write the four bundled files."""
    dataset = read_idx_folder(mnist)
    parts = (
        (dataset.train_images, dataset.train_labels, TRAIN_PER_CLASS),
        (dataset.test_images, dataset.test_labels, TEST_PER_CLASS),
    )
    names = iter(IDX_FILES)
    for images, labels, per_class in parts:
        chosen = draw_per_class(labels, [per_class] * len(dataset.class_names), SEED)
        write_idx(out / f"{next(names)}.gz", images[chosen, 0])
        write_idx(out / f"{next(names)}.gz", labels[chosen].astype("uint8"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the bundled digits from MNIST.")
    parser.add_argument("mnist", type=Path, help="the folder of the four idx files of MNIST")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="where to write (default: into the package)")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(options.mnist, options.out)
    total = 0
    for name in IDX_FILES:
        path = options.out / f"{name}.gz"
        total += path.stat().st_size
        print(f"{path.stat().st_size:>9,}  {path}")
    print(f"{total:>9,}  bytes together")


if __name__ == "__main__":
    main()
