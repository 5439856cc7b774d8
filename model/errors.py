"""The errors that a user of tformer can cause or meet.

    TformerError                  anything below; catch this one to catch them all
    ├── UsageError                the call itself is wrong: an unknown language, options that clash
    ├── InputError                text or a corpus cannot be read, or is not what it should be
    ├── OutputError               a result cannot be written: disk full, no permission
    ├── ModelError                a model directory is missing, damaged, or of another version
    ├── DeviceError               the device that was asked for is not there, or its memory is full
    ├── ServerError               a server cannot start, cannot be reached, or refuses to answer
    └── TrainingError             a training run cannot go on: the loss is not finite, a bad recipe

A message is one line that says what is wrong, where, and what to do about it. The command line
prints it after "error: " and turns the class into an exit status (`tformer.cli.exits`). Everything
else that is raised is a defect of tformer.
"""


class TformerError(Exception):
    """Base of every error that tformer raises on purpose."""


class UsageError(TformerError):
    """The call is wrong: an unknown language, an option out of range, options that clash."""


class InputError(TformerError):
    """Text, a corpus or a data set cannot be read or is not what it should be."""


class OutputError(TformerError):
    """A result cannot be written."""


class ModelError(TformerError):
    """A model is missing, damaged, or of a version that this tformer does not know."""


class DeviceError(TformerError):
    """The device that was asked for is not available, or does not have enough memory."""


class ServerError(TformerError):
    """A server cannot start, cannot be reached, or refuses to answer."""


class TrainingError(TformerError):
    """A training run cannot start or cannot go on."""
