"""Entry point of the installed command: delegates to the daemon where one runs."""

import sys
from typing import NoReturn

from tformer.cli.early import heed_signals
from tformer.daemon.delegate import hand_over
from tformer.model.errors import ServerError


def main() -> NoReturn:
    """Run the command, here or in a process of the pre-fork server."""
    heed_signals(sys.argv[1:])
    status: int | None
    try:
        status = hand_over(sys.argv[1:])
    except ServerError as error:
        from tformer.cli import console
        from tformer.cli.exits import status_of

        console.error(str(error))
        status = status_of(error)
    if status is None:
        from tformer.cli.main import main

        main()
    sys.exit(status)
