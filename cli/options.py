"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

DEFAULT_MODEL = "en-de"


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Dtype(StrEnum):
    """In which arithmetic."""

    AUTO = "auto"
    INT8 = "int8"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Source = Annotated[
    str | None,
    Option("--source", "-s", metavar="LANG", help="Language of the text, such as en."),
]
Target = Annotated[
    str | None,
    Option("--target", "-t", metavar="LANG", help="Language to translate to, such as de."),
]
OneTarget = Annotated[
    list[str] | None,
    Option("--target", "-t", metavar="LANG", help="Language to translate to, such as de."),
]
Model = Annotated[
    str,
    Option("--model", "-m", metavar="NAME|DIR", help="A shipped model, or a model directory."),
]
BeamSize = Annotated[
    int, Option(metavar="N", help="Hypotheses kept at every step; 1 is greedy search.")
]
LengthPenalty = Annotated[
    float, Option(metavar="A", help="Exponent of the length penalty; higher favours longer text.")
]
DeviceOption = Annotated[
    Device, Option("--device", help="Where to compute; auto takes CUDA if there is one.")
]
DtypeOption = Annotated[
    Dtype,
    Option(
        "--dtype",
        help="In which arithmetic; auto takes int8 on a CPU that is quick with it, else float32, "
        "and bfloat16 or float16 on CUDA.",
    ),
]
ThreadsOption = Annotated[
    int | None, Option("--threads", metavar="N", min=1, help="CPU cores to use; without it, all.")
]
RecipeFile = Annotated[
    Path, Argument(metavar="RECIPE", help="TOML file that says what a training run makes.")
]
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
        help="Let a server translate; its token, if it wants one, is taken from TFORMER_TOKEN.",
    ),
]
ServerCa = Annotated[
    Path | None,
    Option(
        "--server-ca",
        metavar="PEM",
        envvar="TFORMER_SERVER_CA",
        help="Speak TLS with the server, whose certificate this authority has signed.",
    ),
]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
