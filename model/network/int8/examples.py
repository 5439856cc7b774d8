"""Arguments of the compiled functions that Python calls, for their types: nothing is computed.

Types decide what is compiled, not sizes; so arrays are empty here. A function that is called with
other types than these is compiled when it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tformer.model.hardware.numba_cache import Kernel
from tformer.model.network.float32 import entries as float32
from tformer.model.network.int8 import entries, panels
from tformer.model.network.int8.listing import Listed
from tformer.model.network.int8.neighbours import Recall
from tformer.model.network.int8.records import MEMORY, Past
from tformer.model.network.int8.simd.dot import BOUNDED
from tformer.model.search import candidates, hypotheses, ngram_bans

Example = tuple[Kernel, tuple[Any, ...]]


def _empty(kind: Any, dimensions: int = 1) -> Any:
    return np.empty((0,) * dimensions, kind)


_NUMBERS, _FLOATS = _empty(np.int64), _empty(np.float32)
_PAST = Past(_empty(MEMORY), _empty(np.uint32, 2))
_STATE = hypotheses.State(
    _empty(hypotheses.SENTENCE),
    _empty(np.float64, 2),
    _empty(np.int64, 2),
    _empty(np.float64, 2),
    _empty(hypotheses.FINISHED, 2),
    _empty(hypotheses.STEP, 3),
    _empty(candidates.CANDIDATE, 2),
    _NUMBERS,
)
_RECALL = Recall(
    _empty(np.int64, 2), _empty(np.float64, 2), _empty(np.int64, 2), _empty(np.float64, 2),
    _empty(np.float64),
)  # fmt: skip
_LISTED = Listed(_empty(np.int64, 2), _NUMBERS)
_LOG_PROBS, _TOKENS = _empty(np.float32, 2), _empty(np.int64, 2)


def first() -> list[Example]:
    """Functions of a translation without options; what takes longest comes first."""
    return [
        (entries.run, _run(None, None, None)),
        (entries.encode, (_NUMBERS, _NUMBERS, _NUMBERS, 1, _NUMBERS)),
        (entries.project_source, (_NUMBERS, 1, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS)),
        (entries.assist, (_NUMBERS, 1)),
        (panels.lay_out, _lay_out()),
        *([(panels.put_limits, (_empty(np.int8, 4), _empty(np.uint16, 2)))] if BOUNDED else []),
        (entries.follow, (_NUMBERS, 1, *_PAST, _empty(np.uint32, 2))),
        (
            hypotheses.trace,
            (
                _empty(hypotheses.STEP, 3),
                _empty(hypotheses.SENTENCE),
                _empty(hypotheses.FINISHED, 2),
                _NUMBERS,
                _NUMBERS,
                _empty(np.int64, 2),
                _empty(np.float64, 2),
                _empty(np.int64, 3),
                _empty(np.float64, 3),
            ),
        ),
    ]


def every() -> list[Example]:
    """Functions of translations with all options, those of :func:`first` first."""
    return [*first(), *_of_options()]


def _of_options() -> Iterator[Example]:
    for unit in (None, True):
        yield entries.decode, (_NUMBERS, _NUMBERS, 1, 1, _PAST, _NUMBERS, unit)
        look = 1, _NUMBERS, _PAST, _FLOATS, _NUMBERS, _empty(np.float32, 2), unit
        yield entries.look, look
    for listed in (None, _LISTED):
        yield entries.of_tokens, (_NUMBERS, _NUMBERS, _NUMBERS, _FLOATS, listed)
        yield entries.of_all, (_NUMBERS, _NUMBERS, _LOG_PROBS, listed)
        for recall in (None, _RECALL):
            yield entries.best, (
                _NUMBERS, _NUMBERS, _NUMBERS, _LOG_PROBS, _TOKENS, _LOG_PROBS, recall, listed
            )  # fmt: skip
    yield entries.find, (_RECALL, 1, _NUMBERS)
    for arguments in ((None, _LISTED, None), (_RECALL, None, None), (None, _LISTED, True)):
        yield entries.run, _run(*arguments)
    yield panels.gather, (_empty(np.int32, 3), _empty(np.int32, 3), _empty(np.int32))
    yield hypotheses.go_on, (1, _STATE)
    yield hypotheses.length_penalty, (1, 1.0, 1.0)
    yield ngram_bans.find, (_STATE, _NUMBERS, _empty(np.int64, 2))
    bans = ngram_bans.Bans(_NUMBERS, _TOKENS)
    yield candidates.choose, (_LOG_PROBS, _TOKENS, _FLOATS, 1, _STATE, bans)
    yield from float32.EXAMPLES


def _run(recall: Recall | None, listed: Listed | None, unit: bool | None) -> tuple[Any, ...]:
    tables = _NUMBERS, 1, _NUMBERS, 1, _PAST, _NUMBERS, recall, listed
    return (*tables, 1, _STATE, 1, 1, 1, unit)


def _lay_out() -> tuple[Any, ...]:
    return (
        _empty(np.int8, 2), _empty(np.int32, 2), 1, _empty(np.int32, 3), _empty(np.int32)
    )  # fmt: skip
