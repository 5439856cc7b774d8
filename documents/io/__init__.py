"""Encodings, XML, ZIP packages and tables."""
