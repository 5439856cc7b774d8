"""Networks: the Transformer, its KV cache and the implementations that decode."""
