"""Products of matrices: linear, matmul, einsum."""
