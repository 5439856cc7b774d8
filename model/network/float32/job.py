"""Numbers that describe the work of :mod:`attention`, by place.

Of an array there are the address and how many numbers groups, heads and rows are apart.
"""

from __future__ import annotations

TAKEN, GROUPS, HEADS, ROWS, COUNT, WIDTH = range(6)
"""Pairs of a group and a head that are taken; groups; heads; queries of a group; keys; numbers of
a head, whole vectors."""

QUERIES, KEYS, VALUES, OUTPUTS, MASK = range(6, 26, 4)
"""Arrays of float32; the mask is one row, which is added to the products, and has the address 0
where there is none. Values are as far apart as keys."""

SIZE = 26
