"""The version, kept where building the package can read it without importing NumPy."""

__version__ = "0.1.0"
