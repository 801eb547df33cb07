"""Build the wheel and the sdist, check what is in them, install them with NumPy alone, and use them.

    python tools/check_wheel.py

The two files are left in dist/.
"""

import email
import email.message
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
OLDEST = ROOT / "tools" / "oldest.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = PROJECT["name"]

#: The bundled digits take up to 1.6 MB of it.
MAX_WHEEL_BYTES = 2_000_000


def check(rule: str, expected: object, found: object) -> None:
    """Stop with one sentence unless the two are equal."""
    if expected != found:
        raise SystemExit(f"{rule}: expected {expected}, but found {found}.")


def build(work: Path) -> tuple[Path, Path]:
    """Build from a copy without leftovers of earlier builds; return the wheel and the sdist."""
    source = work / "source"
    leftovers = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
    source.mkdir()
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, source)
    for folder in ("src", "tests", "tools"):
        shutil.copytree(ROOT / folder, source / folder, ignore=leftovers)
    shutil.rmtree(DIST, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--outdir", str(DIST), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nThe build failed.")
    files = sorted(DIST.iterdir())
    check("A build makes a wheel and an sdist", [".whl", ".gz"], [file.suffix for file in files])
    return files[0], files[1]


def sources() -> set[str]:
    """Return the files of the package, relative to src."""
    package = ROOT / "src" / NAME
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT / "src").as_posix() for path in files}


def check_wheel(wheel: Path) -> None:
    """Check the name, the size, the list of files and the metadata of the wheel."""
    version, *tags = wheel.stem.split("-")[1:]
    check("The wheel is pure Python", ["py3", "none", "any"], tags)
    size = wheel.stat().st_size
    if size > MAX_WHEEL_BYTES:
        raise SystemExit(f"The wheel must have at most {MAX_WHEEL_BYTES:,} bytes, but has {size:,}.")
    info = f"{NAME}-{version}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        empty = [name for name in PROJECT["license-files"] if not archive.read(f"{info}/licenses/{name}").strip()]
    check("The wheel holds the package and nothing else", sources(), {f for f in files if not f.startswith(info)})
    check("The licences are not empty", [], empty)
    for required in ("py.typed", "data/bundled/LICENSE-digits.txt", "data/bundled/t10k-images-idx3-ubyte.gz"):
        if f"{NAME}/{required}" not in files:
            raise SystemExit(
                f"The wheel must hold {NAME}/{required}, but does not; see package-data in pyproject.toml."
            )
    check_metadata(metadata, version)
    print(f"{wheel.name}: {size:,} bytes, {len(files)} files")


def check_metadata(metadata: email.message.Message, version: str) -> None:
    """Check the metadata against pyproject.toml."""
    needs = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    check("NumPy is all that is needed", PROJECT["dependencies"], needs)
    check("Version", version, metadata["Version"])
    check("License-Expression", "MIT AND CC-BY-SA-3.0", metadata["License-Expression"])
    check("License-File", PROJECT["license-files"], metadata.get_all("License-File"))
    check("Requires-Python", ">=3.11", metadata["Requires-Python"])
    check("Classifier", PROJECT["classifiers"], metadata.get_all("Classifier"))
    check("Provides-Extra", set(PROJECT["optional-dependencies"]), set(metadata.get_all("Provides-Extra", [])))
    check("The long description is README.md", "text/markdown", metadata["Description-Content-Type"])


def check_sdist(sdist: Path) -> None:
    """Check the list of files of the sdist."""
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    expected = {f"src/{name}" for name in sources()} | {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"}
    check("Nothing is missing from the sdist", set(), expected - files)
    check("The sdist has no tests", [], sorted(name for name in files if name.startswith("tests/")))
    print(f"{sdist.name}: {sdist.stat().st_size:,} bytes")


class Environment:
    """An empty virtual environment, and what is done in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def run(self, *arguments: object) -> str:
        """Run the environment's Python away from the checkout, and with no variable that could lead back to it."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [self.python, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=variables, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}\npython {' '.join(command[1:])} failed in an empty environment.")
        return done.stdout

    def pip(self, command: str, *arguments: object) -> str:
        return self.run("-m", "pip", "--disable-pip-version-check", command, *arguments)

    def check_packages(self) -> None:
        """Check that nothing but the package and NumPy has come."""
        listing = self.pip("list", "--format", "freeze").split()
        names = {line.partition("==")[0] for line in listing} - {"pip", "setuptools"}
        check("The package brings NumPy alone", {NAME, "numpy"}, names)

    def use(self) -> None:
        """Do what a user does first, warnings being errors."""
        print(self.run("-I", "-W", "error", ROOT / "tools" / "use_wheel.py"), end="", flush=True)


def main() -> None:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        wheel, sdist = build(Path(work))
        check_wheel(wheel)
        check_sdist(sdist)
        environment = Environment(Path(work) / "empty")
        environment.pip("install", wheel)
        environment.check_packages()
        environment.use()
        environment.pip("install", "--requirement", OLDEST)
        environment.use()
        environment.pip("uninstall", "--yes", NAME)
        environment.pip("install", sdist)
        environment.check_packages()
        environment.use()
    print(f"Wheel and sdist are good ({time.perf_counter() - start:.0f} s).")


if __name__ == "__main__":
    main()
