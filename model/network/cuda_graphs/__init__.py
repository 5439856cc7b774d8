"""Decoding on a GPU: static buffers, and steps recorded as CUDA graphs. See docs/cuda.md.

    network     Graphed, the network that the engine drives, and one batch of it
    step        the arithmetic of one step and of encoding, over static buffers
    pool        the static buffers, and how many of them a step computes
    recorder    running work again without launching its kernels one by one

All of it runs on a CPU too, where recording something only means to remember it.
"""

from tformer.model.network.cuda_graphs.network import Graphed, GraphedDecoding
from tformer.model.network.cuda_graphs.pool import Buckets, PoolShape

__all__ = ["Buckets", "Graphed", "GraphedDecoding", "PoolShape"]
