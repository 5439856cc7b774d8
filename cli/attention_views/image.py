"""An inspection as a PNG, by matplotlib, which needs neither a display nor a browser."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

from tformer.cli.attention_views.choice import HeadChoice
from tformer.model.errors import UsageError
from tformer.model.pipeline.inspection import Inspection

INCHES = 0.3
"""Side of a cell."""

# Those that are installed are used one after the other, each for the letters the others lack.
FONTS = ["DejaVu Sans", "Noto Sans CJK JP", "Noto Sans", "WenQuanYi Zen Hei", "Arial Unicode MS"]


def image(inspection: Inspection, choice: HeadChoice) -> bytes:
    """The pattern of one layer and head as a PNG.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import get_font_names
    except ImportError as error:
        raise UsageError("--png needs matplotlib: pip install 'tformer[png]'") from error

    weights = choice.weights(inspection)
    rows = [_name(piece) for piece in choice.rows(inspection)]
    columns = [_name(piece) for piece in choice.columns(inspection)]
    installed = set(get_font_names())
    settings: Any = {
        "font.family": [font for font in FONTS if font in installed],
        "font.size": 9,
        "text.parse_math": False,  # a dollar sign is a dollar sign
    }
    file = io.BytesIO()
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure = Figure(
            figsize=(INCHES * len(columns) + 2.2, INCHES * len(rows) + 2.0), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        shown = axes.imshow(weights, cmap="Purples", vmin=0, vmax=1, aspect="equal")
        _draw_grid(axes, rows, columns)
        axes.set_xlabel(choice.title, color="#687084", labelpad=8)
        bar = figure.colorbar(shown, ax=axes, shrink=0.6, aspect=24, pad=0.02)
        bar.outline.set_visible(False)
        figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _draw_grid(axes: Any, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name rows and columns, and draw lines between them."""
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="left", va="bottom")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    axes.set_xticks([x - 0.5 for x in range(1, len(columns))], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(rows))], minor=True)
    axes.grid(which="minor", color="#eeeef4", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color("#d8dae4")


def _name(piece: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in piece.replace("\u2581", "\u00b7"))
