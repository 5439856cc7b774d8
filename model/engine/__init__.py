"""Decoding engine: continuous batching, and several engines side by side."""
