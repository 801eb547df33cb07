import gzip
import hashlib
import io
import os
import shutil
import sys
import tarfile

import numpy as np
import pytest

from sevenloops.data import (
    DATASET_NAMES,
    DOWNLOAD_NAMES,
    IDX_FILES,
    cifar10,
    download,
    downloads,
    fashion_mnist,
    mnist,
    open_dataset,
    write_idx,
)
from sevenloops.data.contents import Content
from sevenloops.data.idx_folder import find_idx_files
from sevenloops.errors import DataError, DownloadError
from tests.helpers.damage import is_one_sentence_about
from tests.helpers.mirrors import mirror
from tests.helpers.real_data import real_data
from tests.helpers.threads import from_many_threads
from tests.helpers.tiny_sets import tiny_digits, write_cifar_folder, write_idx_folder

OPEN = {"mnist": mnist, "fashion-mnist": fashion_mnist, "cifar10": cifar10}
BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def small_idx_set(folder):
    """Four small idx files: as a mirror has them, and what each holds."""
    write_idx_folder(folder, tiny_digits())
    raw = {name: (folder / name).read_bytes() for name in IDX_FILES}
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in raw.items()}
    return packed, {name: Content(len(content), sha256(content)) for name, content in raw.items()}


def small_cifar_set(folder):
    """An archive of six small files, what each holds, and what the archive is."""
    write_cifar_folder(folder, 6, 6)
    records = (folder / "test_batch.bin").read_bytes()
    raw = {name: bytes([i]) + records[1:] for i, name in enumerate(BATCHES)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ["batches.meta.txt", *BATCHES, "readme.html"]:
            content = raw.get(name, b"about the set")
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    contents = {
        name: Content(len(content), hashlib.md5(content).hexdigest(), "md5", unpacked=False)
        for name, content in raw.items()
    }
    whole = Content(len(packed.getvalue()), sha256(packed.getvalue()), unpacked=False)
    return {"cifar-10-binary.tar.gz": packed.getvalue()}, contents, whole


@pytest.fixture(scope="module")
def small_sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return small_idx_set(folder / "idx"), small_cifar_set(folder / "cifar")


@pytest.fixture
def published(tmp_path, monkeypatch, small_sets):
    """Return the server of small sets under the names of the published ones, at mirrors of the test's choice."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY", "SEVENLOOPS_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path / "cache"))
    (files, contents), (archives, members, whole) = small_sets
    monkeypatch.chdir(tmp_path)
    with mirror(files | archives) as server:

        def choose(*behaviours):
            mirrors = tuple(map(server.url, behaviours))
            idx = downloads._Published(mirrors, contents)
            archive = downloads._Archive("cifar-10-binary.tar.gz", "cifar-10-batches-bin/", whole)
            table = {
                "mnist": idx,
                "fashion-mnist": idx,
                "cifar10": downloads._Published(mirrors, members, archive),
            }
            monkeypatch.setattr(downloads, "_PUBLISHED", table)

        choose("good")
        server.choose = choose
        yield server


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_missing_is_fetched_once(published, tmp_path, name):
    folder = tmp_path / "new" / "folder"
    dataset = OPEN[name](folder, download=True)
    assert dataset.name == name
    assert len(dataset.train_images) == (30 if name == "cifar10" else 60)
    assert sorted(os.listdir(folder)) == (BATCHES if name == "cifar10" else sorted(f"{n}.gz" for n in IDX_FILES))
    assert len(published.asked) == (1 if name == "cifar10" else 4)
    before = snapshot(folder)
    for options in ({"download": True}, {}):
        again = OPEN[name](str(folder), **options)
        np.testing.assert_array_equal(again.train_images, dataset.train_images)
        assert again.class_names == dataset.class_names
    assert len(published.asked) == (1 if name == "cifar10" else 4)
    assert snapshot(folder) == before
    gone = sorted(before)[1]
    (folder / gone).unlink()
    OPEN[name](folder, download=True)
    assert len(published.asked) == (2 if name == "cifar10" else 5)
    after = snapshot(folder)
    assert after[gone][0] == before[gone][0]
    assert {**after, gone: None} == {**before, gone: None}


@pytest.mark.parametrize("name", OPEN)
def test_without_download_nothing_is_asked_for(published, tmp_path, name):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError) as caught:
            OPEN[name](folder)
        assert is_one_sentence_about(caught.value, folder)
        assert "download=True" in str(caught.value)
        assert "test_batch.bin" in str(caught.value) or "t10k-labels-idx1-ubyte" in str(caught.value)
    assert published.asked == []
    assert not (tmp_path / "nowhere").exists()


def test_a_part_of_cifar10_is_not_cifar10(published, tmp_path):
    folder = write_cifar_folder(tmp_path / "part", 6, 6)
    with pytest.raises(DataError, match=r"no data_batch_2\.bin, data_batch_3\.bin, data_batch_4\.bin, data_batch_5"):
        cifar10(folder)


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("behaviour", ["missing", "cut", "corrupt", "bomb"])
def test_the_next_mirror_helps_and_none_is_an_error(published, tmp_path, name, behaviour):
    published.choose(behaviour, "good")
    OPEN[name](tmp_path / "one", download=True)
    published.choose(behaviour, behaviour)
    with pytest.raises(DownloadError, match="none delivered it") as caught:
        OPEN[name](tmp_path / "deep" / "two", download=True)
    assert str(caught.value).count(published.url(behaviour)) == 2
    assert is_one_sentence_about(caught.value, tmp_path / "deep" / "two")
    assert not (tmp_path / "deep" / "two").exists()


@pytest.mark.parametrize("name", OPEN)
def test_a_file_that_is_there_and_another_one_is_left(published, tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    path = folder / (BATCHES[3] if name == "cifar10" else IDX_FILES[2])
    path.write_bytes(b"my own work")
    before = snapshot(folder)
    with pytest.raises(DataError) as caught:
        OPEN[name](folder, download=True)
    message = str(caught.value)
    digest = hashlib.md5 if name == "cifar10" else hashlib.sha256
    assert is_one_sentence_about(caught.value, path)
    assert digest(b"my own work").hexdigest() in message
    assert downloads._PUBLISHED[name].files[path.name].digest in message
    assert "move it away" in message
    assert snapshot(folder) == before
    assert published.asked == []


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted", "dotted.gz"])
def test_every_spelling_is_found(published, tmp_path, small_sets, spelling):
    folder = tmp_path / "there"
    folder.mkdir()
    for name, content in zip(IDX_FILES, small_sets[0][0].values()):
        spelled = spelling.format(name).replace("dotted", name.replace("-idx", ".idx"))
        (folder / spelled).write_bytes(content if spelled.endswith(".gz") else gzip.decompress(content))
    before = snapshot(folder)
    mnist(folder, download=True)
    assert snapshot(folder) == before
    assert published.asked == []


@pytest.mark.parametrize("name", OPEN)
def test_several_at_once(published, tmp_path, name):
    published.choose("slowly")
    from_many_threads(lambda: OPEN[name](tmp_path / "shared", download=True), 4)
    assert len(OPEN[name](tmp_path / "shared").test_images) == (6 if name == "cifar10" else 20)
    assert not any(file.startswith(".") for file in os.listdir(tmp_path / "shared"))


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("variable", [None, "SEVENLOOPS_DATA"])
def test_what_was_fetched_is_opened_by_its_name(published, tmp_path, monkeypatch, name, variable):
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "sets"))
    with pytest.raises(DataError, match=f"fetch it with: sevenloops download {name}, or"):
        open_dataset(name)
    expected = (tmp_path / "sets" if variable else tmp_path / "cache" / "data") / name
    assert download(name) == expected
    assert open_dataset(name).name == name
    assert download(name, tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert len(os.listdir(tmp_path / "elsewhere")) == len(os.listdir(expected))


def test_what_was_half_fetched_goes_on(published, tmp_path):
    folder = tmp_path / "set"
    del published.files[f"{IDX_FILES[2]}.gz"]
    with pytest.raises(DownloadError, match=f"^{IDX_FILES[2]}.gz must"):
        mnist(folder, download=True)
    assert sorted(os.listdir(folder)) == sorted(f"{name}.gz" for name in IDX_FILES[:2])


def test_nonsense_is_refused(published, tmp_path, monkeypatch):
    for name in ("digits", "emnist", "../mnist"):
        with pytest.raises(DataError, match=r"one of mnist, fashion-mnist, cifar10, but got '"):
            download(name, tmp_path)
    with pytest.raises(TypeError, match="download must be True or False"):
        mnist(tmp_path, download=1)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="must be a folder"):
        download("mnist", tmp_path / "file")
    monkeypatch.setitem(sys.modules, "ssl", None)
    with pytest.raises(DownloadError, match="module ssl"):
        download("mnist", tmp_path / "new")
    assert published.asked == []


# --- the published sets as the table has them -------------------------------------------------------------------


def test_every_set_that_has_a_name_can_be_fetched():
    assert set(DOWNLOAD_NAMES) == set(DATASET_NAMES) - {"digits"} == set(OPEN)
    for published in downloads._PUBLISHED.values():
        assert len(published.mirrors) > 1
        assert all(url.startswith(("https://", "http://")) and url.endswith("/") for url in published.mirrors)
        contents = [*published.files.values(), *([published.archive.content] if published.archive else [])]
        assert len({content.digest for content in contents}) == len(contents)
        for content in contents:
            assert len(content.digest) == 2 * hashlib.new(content.algorithm).digest_size
            assert set(content.digest) <= set("0123456789abcdef")
    assert list(downloads._PUBLISHED["cifar10"].files) == BATCHES


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files_are_those_of_the_table(name):
    folder = real_data(name)
    assert download(name, folder) == folder  # without a word to any mirror
    assert len(OPEN[name](folder).train_images) == 60_000


def test_the_real_files_are_told_from_others(tmp_path):
    for name, path in zip(IDX_FILES, find_idx_files(real_data("mnist")), strict=True):
        shutil.copy(path, tmp_path / name)
    download("mnist", tmp_path)
    write_idx(tmp_path / IDX_FILES[3], np.zeros(10_000, np.uint8))
    with pytest.raises(DataError, match="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"):
        download("mnist", tmp_path)
