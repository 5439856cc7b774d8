"""Passes over finished hypotheses: output checks, re-decoding, terms, alignment."""
