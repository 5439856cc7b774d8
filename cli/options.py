"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

DEFAULT_MODEL = "en-de"

COMPUTING = "Device and server"
"""Panel of the help for options that say where to compute."""


class Device(StrEnum):
    """Device to compute on."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Dtype(StrEnum):
    """Arithmetic."""

    AUTO = "auto"
    INT8 = "int8"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Source = Annotated[
    str | None,
    Option(
        "--source", "-s", metavar="LANG", help="Source language, such as en; detected if not given."
    ),
]
Target = Annotated[
    str | None,
    Option("--target", "-t", metavar="LANG", help="Target language, such as de."),
]
OneTarget = Annotated[
    list[str] | None,
    Option("--target", "-t", metavar="LANG", help="Language to translate to, such as de."),
]
Model = Annotated[
    str,
    Option(
        "--model", "-m", metavar="NAME|DIR", help="Name of a shipped model, or a model directory."
    ),
]
BeamSize = Annotated[
    int, Option(metavar="N", help="Hypotheses kept at every step; 1 is greedy search.")
]
LengthPenalty = Annotated[
    float | None,
    Option(
        metavar="A",
        help="Exponent of the length penalty; higher favours longer text; else the model's own, "
        "or 0.6.",
    ),
]
DeviceOption = Annotated[
    Device,
    Option(
        "--device",
        help="Device; auto takes CUDA if there is one.",
        rich_help_panel=COMPUTING,
    ),
]
DtypeOption = Annotated[
    Dtype,
    Option(
        "--dtype",
        help="Arithmetic; auto takes int8 on a CPU that is quick with it, else float32, and "
        "bfloat16 or float16 on CUDA.",
        rich_help_panel=COMPUTING,
    ),
]
ThreadsOption = Annotated[
    int | None,
    Option(
        "--threads",
        metavar="N",
        min=1,
        help="Number of CPU cores; all if not given.",
        rich_help_panel=COMPUTING,
    ),
]
RecipeFile = Annotated[Path, Argument(metavar="RECIPE", help="TOML file of a training run.")]
From = Annotated[
    str | None,
    Option(
        "--from",
        metavar="NAME|DIR",
        help="Begin with this model, shipped or a directory: its vocabulary, shape and parameters.",
    ),
]
Server = Annotated[
    str | None,
    Option(
        "--server",
        metavar="HOST:PORT|unix:PATH",
        envvar="TFORMER_SERVER",
        help="Translate on a server, or several: HOST:PORT,HOST:PORT or "
        "dns:///NAME:PORT; its bearer token is taken from TFORMER_TOKEN.",
        rich_help_panel=COMPUTING,
    ),
]
ServerCa = Annotated[
    Path | None,
    Option(
        "--server-ca",
        metavar="PEM",
        envvar="TFORMER_SERVER_CA",
        help="CA certificate of the server, for TLS.",
        rich_help_panel=COMPUTING,
    ),
]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
