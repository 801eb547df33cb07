"""Results as one HTML page that needs nothing else: readable on a phone and on a desk, by day and by night."""

from sevenloops.bench.html.page import as_html

__all__ = ["as_html"]
