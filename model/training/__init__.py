"""Learning: corpora to a token store, the store to batches, batches to a trained model."""
