"""Many elements made one: sums, products, moments, extremes."""
