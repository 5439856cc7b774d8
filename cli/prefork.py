"""The program of the daemon's pre-fork server.

    python -m tformer.cli.prefork DAEMON

DAEMON is the process id of the daemon, with which this process ends.
"""

import sys
from importlib import import_module

from tformer.cli import main
from tformer.cli.commands import command
from tformer.daemon import prefork

NEEDED = ("tformer.server.client", "tformer.daemon.control")
"""Modules that a warm call imports besides those of its command."""


def warm_up() -> None:
    """Import and initialise once what every command would."""
    every = command("translate")
    with every.make_context("tformer", ["translate"]) as context:
        every.commands["translate"].make_context("translate", [], parent=context)
    for name in NEEDED:
        import_module(name)


if __name__ == "__main__":
    warm_up()
    prefork.serve(int(sys.argv[1]), main.main)
