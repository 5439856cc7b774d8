"""Model directories: layout, weights as arrays, description."""
