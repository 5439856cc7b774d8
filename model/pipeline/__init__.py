"""Text in, text out: loading, the translator and its wrappers."""
