"""Normalisation of channels, groups, instances, rows and neighbours."""
