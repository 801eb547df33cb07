import gzip
import zlib

import numpy as np

from sevenloops.data import IDX_FILES, digits, read_idx_folder, write_idx
from tests.helpers.real_data import real_data
from tools.draw_digits import BUNDLED, main


def test_the_bundled_files_are_what_the_tool_draws(tmp_path):
    main([str(real_data("mnist")), "--out", str(tmp_path)])
    for name in IDX_FILES:
        drawn, bundled = (tmp_path / f"{name}.gz").read_bytes(), (BUNDLED / f"{name}.gz").read_bytes()
        assert gzip.decompress(drawn) == gzip.decompress(bundled)
        if "ng" not in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng compresses the same content to other bytes
            assert drawn == bundled


def test_images_stay_with_their_labels_and_in_order(tmp_path, capsys):
    # A stand-in for MNIST of two classes whose images hold their index and label.
    for part, count in (("train", 1300), ("t10k", 220)):
        labels = np.arange(count, dtype=np.uint8) % 2
        index = np.arange(count)
        images = np.stack([index // 256, index % 256, labels, labels], axis=1).astype(np.uint8).reshape(count, 2, 2)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    main([str(tmp_path), "--out", str(tmp_path / "out")])
    drawn = read_idx_folder(tmp_path / "out")
    assert np.bincount(drawn.train_labels).tolist() == [600, 600]
    assert np.bincount(drawn.test_labels).tolist() == [100, 100]
    for images, labels in ((drawn.train_images, drawn.train_labels), (drawn.test_images, drawn.test_labels)):
        np.testing.assert_array_equal(images[:, 0, 1, 0], labels)
        positions = images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 0, 1]
        assert (np.diff(positions) > 0).all()
    assert "bytes together" in capsys.readouterr().out


def test_the_tool_writes_where_the_package_reads():
    np.testing.assert_array_equal(read_idx_folder(BUNDLED).train_images, digits().train_images)
