"""File formats, one module each: bytes to segments and back."""
