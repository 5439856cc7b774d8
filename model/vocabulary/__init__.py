"""Vocabularies: SentencePiece pieces, and those of Marian models."""
