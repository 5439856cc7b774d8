"""Learning a translation model from a corpus of sentence pairs."""
