"""Inline markup: protection, alignment and placement of what stands inside a sentence."""
