"""Datastores of nearest-neighbour translation: representations of target tokens, and the tokens."""
