"""Products in float32 of which no row depends on how many rows there are, compiled by Numba."""
