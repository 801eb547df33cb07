"""Element by element: arithmetic, powers, functions of one element, comparisons, choices, dtypes."""
