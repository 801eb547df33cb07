"""The same elements otherwise arranged: shapes, axes, parts, joins, padding."""
