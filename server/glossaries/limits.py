"""Limits of glossaries in requests; needs no protobuf."""

from tformer.model.errors import UsageError

MOST_ENTRIES = 10_000
"""Terms that may come with a request: so many are made ready within some hundredths of a second."""


def check_size(num_entries: int) -> None:
    """Refuse a glossary that is too large for a request.

    Raises:
        UsageError: it is.
    """
    if num_entries > MOST_ENTRIES:
        raise UsageError(
            f"a glossary of {num_entries:,} terms is too large to go with a request, which takes "
            f"{MOST_ENTRIES:,}: have it served by name, tformer serve --glossary NAME=FILE"
        )
