"""Files of terms: glossaries and translation memories."""
