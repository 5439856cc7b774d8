"""Literals: what a translation keeps as it is. Found, carried through, verified and repaired."""
