"""Text processing: normalization, sentence segmentation, character offsets."""
