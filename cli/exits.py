"""Exit statuses of the command line."""

import errno
from collections.abc import Iterator
from enum import IntEnum

from tformer.model.errors import (
    DeviceError,
    InputError,
    ModelError,
    OutputError,
    ServerError,
    TformerError,
    TrainingError,
    UsageError,
)


class ExitStatus(IntEnum):
    """Exit statuses of every command; they are part of the interface and do not change."""

    SUCCESS = 0
    """All is done."""
    FAILURE = 1
    """A defect of tformer: the only case in which a traceback is printed."""
    USAGE = 2
    """The call is wrong: an unknown option or language, a value out of range."""
    INPUT = 3
    """An input file cannot be read or is not what it should be."""
    OUTPUT = 4
    """The result cannot be written: the disk is full, permission is missing."""
    MODEL = 5
    """The model is missing, damaged, or of another version."""
    DEVICE = 6
    """The device is not available, or its memory is full."""
    TRAINING = 7
    """Training cannot start or cannot go on."""
    SERVER = 8
    """The server cannot start, cannot be reached, or refuses to answer."""
    FLAGGED = 9
    """All is translated, but --strict was given and there are warnings."""
    NOTHING = 10
    """Nothing was to be done: every file of a job is up to date."""
    INTERRUPTED = 130
    """Ended by Ctrl-C (SIGINT)."""
    PIPE_CLOSED = 141
    """The reader of stdout went away, as in `tformer translate FILE | head -1`."""
    TERMINATED = 143
    """Ended by SIGTERM."""


class PipeClosed(Exception):
    """Nobody reads what is written any more; not an error, just the end."""


_STATUS_OF = {
    UsageError: ExitStatus.USAGE,
    InputError: ExitStatus.INPUT,
    OutputError: ExitStatus.OUTPUT,
    ModelError: ExitStatus.MODEL,
    DeviceError: ExitStatus.DEVICE,
    ServerError: ExitStatus.SERVER,
    TrainingError: ExitStatus.TRAINING,
}


def status_of(error: TformerError) -> ExitStatus:
    """The exit status for an error, by its class or the nearest class above it."""
    return next(
        (_STATUS_OF[kind] for kind in type(error).__mro__ if kind in _STATUS_OF),
        ExitStatus.FAILURE,
    )


_NO_MEMORY = (
    "can't start new thread",
    "can't allocate memory",
    "Cannot allocate memory",
    "failed to map segment from shared object",
)
"""Words of Python, torch and the linker, which have no class of error for it."""


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error, or what caused it, is that there was no memory."""
    return any(
        isinstance(each, MemoryError)
        or getattr(each, "errno", None) == errno.ENOMEM
        or any(words in str(each) for words in _NO_MEMORY)
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
