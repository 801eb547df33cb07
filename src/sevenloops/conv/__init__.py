"""Convolution: the problem, the ladder of algorithms, the choice among them, and its execution."""
