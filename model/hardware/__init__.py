"""Hardware: CPU features, GPU probe, torch devices, the cache of compiled code."""
