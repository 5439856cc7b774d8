"""Innermost loops in vectors, as functions that Numba compiles."""
