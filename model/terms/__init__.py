"""Terminology data: glossaries and translation memories."""
