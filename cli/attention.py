"""`tformer attention`: where the model looks while it translates a sentence."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import loading, options, outputs
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

if TYPE_CHECKING:
    from tformer.cli.attention_views.choice import HeadChoice
    from tformer.model.pipeline.inspection import Inspection


class AttentionKind(StrEnum):
    """The three kinds of attention: encoder, decoder, and decoder to encoder."""

    CROSS = "cross"
    ENCODER = "encoder"
    DECODER = "decoder"


def attention(
    text: Annotated[str, Argument(metavar="SENTENCE", help="Sentence to translate.")],
    source: options.Source = None,
    target: options.Target = None,
    model: options.Model = options.DEFAULT_MODEL,
    kind: Annotated[
        AttentionKind,
        Option(help="Cross-attention, or self-attention of the encoder or the decoder."),
    ] = AttentionKind.CROSS,
    layer: Annotated[int | None, Option(metavar="N", help="Layer, from 0.")] = None,
    head: Annotated[int | None, Option(metavar="N", help="Head, from 0.")] = None,
    html: Annotated[
        Path | None, Option(metavar="FILE", help="Write everything as an HTML page.")
    ] = None,
    png: Annotated[
        Path | None, Option(metavar="FILE", help="Write the grid as an image; needs tformer[png].")
    ] = None,
    datastore: Annotated[
        Path | None,
        Option(metavar="DIR", help="Datastore to translate with; shows the entries that helped."),
    ] = None,
    datastore_weight: Annotated[
        float | None, Option(metavar="W", help="Weight of the datastore, as in translate.")
    ] = None,
    beam_size: options.BeamSize = DecodingOptions.beam_size,
    length_penalty: options.LengthPenalty = DecodingOptions.length_penalty,
    device: options.DeviceOption = options.Device.AUTO,
    as_json: options.Json = False,
) -> None:
    """Show the attention weights of a sentence's translation.

    The grid has a row for every query position and a column for every key; behind a row is the
    probability of its piece. Without --layer and --head it shows the alignment heads, or a mean.

    --datastore also shows lambda and the nearest entries of every piece.

    --html writes a self-contained page with all layers and heads, the beam with its pruned
    hypotheses, and the score of each piece, on which scale and temperature of the softmax can be
    changed; --png writes the grid. --json prints all of it.
    """
    decoding = DecodingOptions(
        beam_size=beam_size,
        length_penalty=length_penalty,
        n_best=beam_size,
        datastore_weight=datastore_weight,
    )
    if as_json and (html or png):
        raise UsageError("--json prints what --html and --png draw: choose one")
    translator = loading.load_translator(model, loading.ComputeSettings(device))
    from tformer.model.datastore.layout import Datastore

    opened = Datastore(datastore) if datastore else None
    from tformer.cli.attention_views.choice import HeadChoice
    from tformer.model.pipeline.inspection import inspect

    inspection = inspect(
        translator, text, source=source, target=target, options=decoding, datastore=opened
    )
    choice = HeadChoice.of(inspection, kind.value, layer, head)
    name = Path(model).resolve().name
    if html:
        _write(html, _page(inspection, name, choice))
    if png:
        _write(png, _image(inspection, choice))
    if as_json:
        _print_json(inspection, name)
    elif not (html or png):
        _show(inspection, choice)


def _page(inspection: Inspection, model: str, choice: HeadChoice) -> bytes:
    from tformer.cli.attention_views.page import page

    return page(inspection, model, choice).encode("utf-8", "replace")


def _image(inspection: Inspection, choice: HeadChoice) -> bytes:
    from tformer.cli.attention_views.image import image

    return image(inspection, choice)


def _write(path: Path, data: bytes) -> None:
    with outputs.open_output(path) as writer:
        writer.write_bytes(data)


def _print_json(inspection: Inspection, model: str) -> None:
    from tformer.cli.attention_views.record import whole_record_of

    with outputs.open_output(None) as writer:
        writer.write(json.dumps(whole_record_of(inspection, model)) + "\n")


def _show(inspection: Inspection, choice: HeadChoice) -> None:
    from rich.console import Console

    from tformer.cli.attention_views.terminal import show

    with outputs.open_output(None) as writer:
        console = Console(highlight=False, markup=False, emoji=False)
        with console.capture() as captured:
            show(inspection, choice, console)
        writer.write(captured.get())
