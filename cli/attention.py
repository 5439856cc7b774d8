"""`tformer attention`: where the model looks while it translates a sentence."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import lines, loading, options
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

if TYPE_CHECKING:
    from tformer.cli.attention_views.choice import Choice
    from tformer.model.pipeline.inspection import Inspection


class Kind(StrEnum):
    """Who looks at whom."""

    CROSS = "cross"
    ENCODER = "encoder"
    DECODER = "decoder"


def attention(
    text: Annotated[str, Argument(metavar="SENTENCE", help="What to translate, as one sentence.")],
    source: options.Source = None,
    target: options.Target = None,
    model: options.Model = options.DEFAULT_MODEL,
    kind: Annotated[
        Kind,
        Option(help="The decoder's look at the source, or what encoder or decoder see of itself."),
    ] = Kind.CROSS,
    layer: Annotated[int | None, Option(metavar="N", help="Which layer, from 0.")] = None,
    head: Annotated[int | None, Option(metavar="N", help="Which head, from 0.")] = None,
    html: Annotated[
        Path | None, Option(metavar="FILE", help="Write all that there is to see as a page.")
    ] = None,
    png: Annotated[
        Path | None, Option(metavar="FILE", help="Write the grid as an image; needs tformer[png].")
    ] = None,
    beam_size: options.BeamSize = DecodingOptions.beam_size,
    length_penalty: options.LengthPenalty = DecodingOptions.length_penalty,
    device: options.DeviceOption = options.Device.AUTO,
    as_json: options.Json = False,
) -> None:
    """Show where the model looks while it translates a sentence.

    A grid has a row for every position that looks and a column for every piece that is looked at;
    behind a row stands how sure the model was of its piece. Without --layer and --head it is that
    of the heads that align words, or of a mean.

    --html writes one page that needs no network, with all layers and heads, the beam with what was
    pruned, and the score of each piece; --png writes the grid. --json prints all of it.
    """
    decoding = DecodingOptions(beam_size=beam_size, length_penalty=length_penalty, n_best=beam_size)
    if as_json and (html or png):
        raise UsageError("--json prints what --html and --png draw: choose one")
    translator = loading.load_translator(model, loading.Place(device))
    from tformer.cli.attention_views.choice import Choice
    from tformer.model.pipeline.inspection import inspect

    inspection = inspect(translator, text, source=source, target=target, options=decoding)
    choice = Choice.of(inspection, kind.value, layer, head)
    name = Path(model).resolve().name
    if html:
        _write(html, _page(inspection, name, choice))
    if png:
        _write(png, _image(inspection, choice))
    if as_json:
        _print_json(inspection, name)
    elif not (html or png):
        _show(inspection, choice)


def _page(inspection: Inspection, model: str, choice: Choice) -> bytes:
    from tformer.cli.attention_views.page import page

    return page(inspection, model, choice).encode("utf-8", "replace")


def _image(inspection: Inspection, choice: Choice) -> bytes:
    from tformer.cli.attention_views.image import image

    return image(inspection, choice)


def _write(path: Path, data: bytes) -> None:
    with lines.open_output(path) as writer:
        writer.write_bytes(data)


def _print_json(inspection: Inspection, model: str) -> None:
    from tformer.cli.attention_views.record import whole_record_of

    with lines.open_output(None) as writer:
        writer.write(json.dumps(whole_record_of(inspection, model)) + "\n")


def _show(inspection: Inspection, choice: Choice) -> None:
    from rich.console import Console

    from tformer.cli.attention_views.terminal import show

    with lines.open_output(None) as writer:
        console = Console(highlight=False, markup=False, emoji=False)
        with console.capture() as captured:
            show(inspection, choice, console)
        writer.write(captured.get())
