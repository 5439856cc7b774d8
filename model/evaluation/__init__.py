"""Evaluation of translations against references."""
