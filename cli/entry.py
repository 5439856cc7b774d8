"""The entry point of the installed command, which first finds out who is to run it."""

import sys
from typing import NoReturn

from tformer.cli.handing_over import hand_over


def main() -> NoReturn:
    """Run the command, or have it run by the daemon's starter if there is one."""
    status = hand_over(sys.argv[1:])
    if status is None:
        from tformer.cli.main import main

        main()
    sys.exit(status)
