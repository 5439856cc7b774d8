"""Glossaries of the server and of its callers."""
