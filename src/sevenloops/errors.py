"""The exceptions of the library.

Each message is one sentence: the rule, the values that break it, and a remedy. Wrong shapes, names and
geometries are ``ValueError``; wrong types and dtypes are plain ``TypeError``.
"""

__all__ = [
    "DataError",
    "DownloadError",
    "MissingExtraError",
    "ShapeError",
    "UnknownAlgorithmError",
    "UnsupportedGeometryError",
]


class ShapeError(ValueError):
    """Shapes, sizes or parameters that contradict each other or the definition of the operation."""


class UnknownAlgorithmError(ValueError):
    """A name that no algorithm has; the message lists those that exist."""


class UnsupportedGeometryError(ValueError):
    """A valid call that the algorithm asked for cannot do; the message gives its reason."""


class DataError(ValueError):
    """A file or folder that does not hold what its format promises."""


class DownloadError(OSError):
    """A file that no mirror delivered; the message gives the reason of each."""


class MissingExtraError(ImportError):
    """An optional package that is needed here and not installed; the message names the extra.

    Parameters
    ----------
    purpose : str
        What the package is needed for, as the start of a sentence ("Reading PNG files").
    package : str
        The package that could not be imported.
    extra : str
        The extra of sevenloops that brings it.
    """

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed; run: pip install 'sevenloops[{extra}]'", name=package
        )
        self._given = (purpose, package, extra)

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str, str]]:
        """Travel between processes as what it was made of, since the message alone does not make it."""
        return type(self), self._given
