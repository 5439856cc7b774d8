"""`tformer daemon`: a model that stays loaded, so that commands need not wait for it."""

import typer

from tformer.cli import options, talk
from tformer.cli.exits import ExitStatus
from tformer.model.options import DecodingOptions

daemon = typer.Typer(
    name="daemon",
    no_args_is_help=True,
    help="Keep a model loaded: `tformer translate` uses it where it fits, and starts at once.\n\n"
    "The daemon listens on a unix socket that only you can reach. TFORMER_DAEMON=0 lets a command "
    "pass it by.",
)


@daemon.command()
def start(
    model: options.Model = options.DEFAULT_MODEL,
    beam_size: options.BeamSize = DecodingOptions.beam_size,
    device: options.DeviceOption = options.Device.AUTO,
) -> None:
    """Load a model and keep it; the beam size is the widest that commands can then ask for."""
    DecodingOptions(beam_size=beam_size)
    from tformer.daemon import control

    pid = control.start(model, device=device, beam_size=beam_size)
    talk.note(f"the daemon runs, process {pid}; tformer daemon stop ends it")


@daemon.command()
def stop() -> None:
    """Let the daemon finish what it has, and end it."""
    from tformer.daemon import control

    pid = control.stop()
    talk.note("no daemon was running" if pid is None else f"the daemon has ended, process {pid}")


@daemon.command()
def status() -> ExitStatus:
    """Tell whether a daemon runs, and with what; exit status 8 if none does."""
    from tformer.daemon import control

    pid = control.process_id()
    if pid is None:
        print("not running")
        return ExitStatus.SERVER
    for model in control.loaded():
        print(f"running: process {pid}, {model.name}, {model.device}, {model.dtype}")
    return ExitStatus.SUCCESS
