"""The network in int8 on the CPU: `network`, over its `cache`, `products` and `kernels`."""
