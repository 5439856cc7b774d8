"""An inspection in the terminal: a cell for every two pieces, in colour or in figures.

Colour is Rich's to decide: it asks the terminal, NO_COLOR and FORCE_COLOR. Without it a cell shows
tenths: 9 is 0.85 or more, blank is below 0.05.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tformer.cli.attention_views.choice import HeadChoice
from tformer.model.pipeline.inspection import Inspection

CELL = 3
"""Columns of the terminal that a weight takes."""

MOST_NAME = 14
"""Columns of the terminal, or lines, that the name of a piece may take."""

# Grey-blue over violet to orange: each can be told from a black terminal and from a white one.
_RAMP = (
    (150, 156, 178),
    (110, 120, 215),
    (125, 70, 215),
    (200, 40, 160),
    (240, 60, 60),
    (255, 130, 0),
)

_FEWEST = 0.05
"""A weight below is left to the ground of the terminal."""


def show(inspection: Inspection, choice: HeadChoice, console: Console) -> None:
    """Print the translation, the grid and the n-best list."""
    best = inspection.hypotheses[0]
    console.print(Text(_printable(inspection.source)), soft_wrap=True)
    console.print(Text(_printable(best.text), style="bold"), soft_wrap=True)
    console.print()
    console.print(Text(choice.title, style="dim"))
    for line in grid(inspection, choice, console):
        console.print(line, no_wrap=True, overflow="crop", crop=False)
    for line in _memory(inspection):
        console.print(line, soft_wrap=True)
    console.print()
    for hypothesis in inspection.hypotheses:
        console.print(
            Text.assemble((f"{hypothesis.score:8.4f}", "dim"), f"  {_printable(hypothesis.text)}"),
            soft_wrap=True,
        )


def _memory(inspection: Inspection) -> Iterator[Text]:
    """A line for every piece: lambda, and the entry of the largest weight."""
    if inspection.memory:
        yield Text("datastore: lambda, nearest entry of each piece and its weight", style="dim")
    for piece, retrieval in zip(inspection.target_pieces, inspection.memory, strict=False):
        line = Text(f"{_right(_shortened(piece), MOST_NAME)}  {retrieval.weight:4.2f}")
        for entry in retrieval.entries[:1]:
            said = f"  {_shortened(entry.piece)} {entry.weight:4.2f}  "
            line.append(said + _printable(f"{entry.source} | {entry.target}"))
        yield line


def grid(inspection: Inspection, choice: HeadChoice, console: Console) -> Iterator[Text]:
    """The lines of the grid; where the terminal is too narrow, several grids below each other."""
    weights = choice.weights(inspection)
    rows = [_shortened(name) for name in choice.rows(inspection)]
    columns = [_shortened(name) for name in choice.columns(inspection)]
    chances = _chances(inspection, choice)
    left = max(cell_len(name) for name in rows) + 1
    at_a_time = max(1, (console.width - left - len(" 100 %")) // CELL)
    for start in range(0, len(columns), at_a_time):
        part = slice(start, start + at_a_time)
        if start:
            yield Text()
        yield from _names_of_columns(columns[part], left)
        for name, row, chance in zip(rows, weights, chances, strict=True):
            cells = [_cell(weight, colourful=_is_colourful(console)) for weight in row[part]]
            yield Text.assemble(_right(name, left - 1), " ", *cells, (chance, "dim"))


def _chances(inspection: Inspection, choice: HeadChoice) -> list[str]:
    """Probability that the model gave the piece a row is named after."""
    known = [f" {100 * float(np.exp(p)):3.0f} %" for p in inspection.log_probs]
    if choice.kind == "encoder":
        return [""] * len(inspection.source_pieces)
    return ["", *known[:-1]] if choice.reads else known


def _names_of_columns(names: Sequence[str], left: int) -> Iterator[Text]:
    """Downwards, so that a column is as narrow as its weights."""
    upright = [_letters(name) for name in names]
    height = max(map(len, upright), default=0)
    for line in range(height):
        drawn = []
        for letters in upright:
            at = line - (height - len(letters))
            letter = letters[at] if at >= 0 else ""
            drawn.append(_middle(letter))
        yield Text(" " * left + "".join(drawn).rstrip())


def _letters(name: str) -> list[str]:
    """Letters with the marks that combine with them."""
    letters: list[str] = []
    for character in name:
        if letters and (unicodedata.combining(character) or not cell_len(character)):
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _middle(letter: str) -> str:
    room = CELL - cell_len(letter)
    return " " * (room // 2) + letter + " " * (room - room // 2)


def _right(name: str, width: int) -> str:
    return " " * (width - cell_len(name)) + name


def _cell(weight: float, *, colourful: bool) -> tuple[str, Style | str]:
    if not colourful:
        tenths = min(9, int(10 * weight + 0.5))
        return f" {tenths or ' '} ", ""
    if weight < _FEWEST:
        return " " * CELL, ""
    red, green, blue = _colour(weight)
    ground = f"#{red:02x}{green:02x}{blue:02x}"
    ink = "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "#ffffff"
    percent = f"{min(99, round(100 * weight)):2d} " if weight >= 0.095 else " " * CELL
    return percent, Style.parse(f"{ink} on {ground}")


def _colour(weight: float) -> tuple[int, ...]:
    at = min(1.0, weight) * (len(_RAMP) - 1)
    low = min(len(_RAMP) - 2, int(at))
    pairs = zip(_RAMP[low], _RAMP[low + 1], strict=True)
    return tuple(round(a + (b - a) * (at - low)) for a, b in pairs)


def _is_colourful(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _shortened(name: str) -> str:
    name = _printable(name.replace("\u2581", "\u00b7"))
    while cell_len(name) > MOST_NAME:
        name = name[:-2] + "\u2026"
    return name


def _printable(text: str) -> str:
    """Text that cannot command the terminal."""
    return "".join(
        character
        if unicodedata.category(character)[0] != "C" or character == "\u200d"
        else "\ufffd"
        for character in text
    )
