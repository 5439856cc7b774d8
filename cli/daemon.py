"""`tformer daemon`: a model that stays loaded, so that commands need not wait for it."""

import typer

from tformer.cli import console, options
from tformer.cli.exits import ExitStatus
from tformer.model.options import DecodingOptions

daemon = typer.Typer(
    name="daemon",
    no_args_is_help=True,
    help="Manage the daemon, which keeps a model loaded for `tformer translate`.\n\n"
    "The daemon listens on a unix socket that only you can reach. TFORMER_DAEMON=0 makes a command "
    "bypass it.",
)


@daemon.command()
def start(
    model: options.Model = options.DEFAULT_MODEL,
    beam_size: options.BeamSize = DecodingOptions.beam_size,
    device: options.DeviceOption = options.Device.AUTO,
) -> None:
    """Start the daemon with a model; commands can ask for at most this beam size."""
    DecodingOptions(beam_size=beam_size)
    from tformer.daemon import control

    pid = control.start(model, device=device, beam_size=beam_size)
    console.note(f"the daemon runs, process {pid}; tformer daemon stop ends it")


@daemon.command()
def stop() -> None:
    """Stop the daemon after it has finished its work."""
    from tformer.daemon import control

    pid = control.stop()
    console.note("no daemon was running" if pid is None else f"the daemon has ended, process {pid}")


@daemon.command()
def status() -> ExitStatus:
    """Show whether a daemon runs, and its models; exit status 8 if none does."""
    from tformer.daemon import control

    pid = control.process_id()
    if pid is None:
        print("not running")
        return ExitStatus.SERVER
    for model in control.loaded():
        print(f"running: process {pid}, {model.name}, {model.device}, {model.dtype}")
    return ExitStatus.SUCCESS
