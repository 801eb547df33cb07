"""Pooling: its ladder of algorithms, adaptive pooling, and their execution, on plain arrays."""
