"""`tformer convert`: models of other programs made ours, and ours made theirs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option, Typer
from typer.core import TyperGroup

from tformer.cli import console
from tformer.model.errors import OutputError


class Recognising(TyperGroup):
    """A group whose command may be left out: then it is ``model``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front of what is none."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["model", *args]
        return super().parse_args(ctx, args)


convert = Typer(
    cls=Recognising,
    help="Make models of other programs ours, or ours theirs: `tformer convert SOURCE OUT`.",
    no_args_is_help=True,
)


class Quantization(StrEnum):
    """Weight types of CTranslate2."""

    INT8 = "int8"
    INT8_FLOAT32 = "int8_float32"
    INT8_FLOAT16 = "int8_float16"
    INT8_BFLOAT16 = "int8_bfloat16"
    INT16 = "int16"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


Out = Annotated[Path, Argument(metavar="OUT", help="Folder to make; it must not exist.")]
SourceLanguages = Annotated[
    list[str] | None,
    Option("--source", "-s", metavar="LANG", help="Language that it reads; repeatable."),
]
TargetLanguages = Annotated[
    list[str] | None,
    Option("--target", "-t", metavar="LANG", help="Language that it writes; repeatable."),
]


@convert.command()
def model(
    source_model: Annotated[
        str,
        Argument(
            metavar="SOURCE",
            help="Folder, .argosmodel file, or a name on the Hugging Face hub.",
        ),
    ],
    out: Out,
    source: SourceLanguages = None,
    target: TargetLanguages = None,
    int8: Annotated[
        bool,
        Option("--int8", help="Store it for int8, with little memory: NLLB, M2M100, mBART-50."),
    ] = False,
) -> None:
    """Make a model of tformer of one of another program, whose layout is recognised.

    Known are models of CTranslate2, packages of Argos Translate, models of Marian and Bergamot
    (Firefox) in their own files, and of the Hugging Face hub OPUS-MT, NLLB, M2M100, mBART-50, T5,
    MADLAD, mT5 and umT5. Without --source and --target the languages are those that the model has.
    """
    _check_free(out)
    from tformer.model.convert.frames import Languages
    from tformer.model.convert.hub import fetch
    from tformer.model.convert.recognise import import_model

    place = Path(source_model) if Path(source_model).exists() else fetch(source_model)
    said = Languages(tuple(source or ()), tuple(target or ()))
    name = Path(source_model).resolve().name.removesuffix(".argosmodel")
    layout = import_model(place, out, name=name, languages=said, int8=int8)
    console.note(f"a model of {layout}, now in {out}: tformer translate --model {out}")


@convert.command()
def marian(
    model: Annotated[
        str,
        Argument(
            metavar="DIR",
            help="Folder, or a name on the Hugging Face hub such as Helsinki-NLP/opus-mt-en-de.",
        ),
    ],
    out: Out,
    source: SourceLanguages = None,
    target: TargetLanguages = None,
) -> None:
    """Import a Marian model, such as those of OPUS-MT.

    DIR holds config.json, model.safetensors or pytorch_model.bin, source.spm, target.spm and
    vocab.json; a name on the hub is fetched if the package huggingface_hub is installed. Without
    --source and --target the languages are those that the model states.
    """
    _check_free(out)
    from tformer.model.convert.hub import fetch
    from tformer.model.convert.marian import import_marian

    import_marian(
        fetch(model),
        out,
        name=Path(model).resolve().name,  # what is fetched lies in a folder of another name
        source_languages=source or (),
        target_languages=target or (),
    )
    console.note(f"the model is in {out}: tformer translate --model {out}")


@convert.command()
def ctranslate2(
    model: Annotated[str, Argument(metavar="MODEL", help="A shipped model, or a model directory.")],
    out: Out,
    quantization: Annotated[
        Quantization | None,
        Option("--quantization", "-q", help="Weight type; float32 if not given."),
    ] = None,
) -> None:
    """Export a model to the format of CTranslate2.

    Needs the package ctranslate2. The vocabulary's files are put beside the model; the input of
    CTranslate2 is the pieces of a sentence, between the tag of the target language, as `<2de>`,
    and the end of the sentence, `</s>`.
    """
    _check_free(out)
    from tformer.model.checkpoint.layout import find_model
    from tformer.model.convert.ctranslate2 import export_ctranslate2

    export_ctranslate2(find_model(model), out, quantization.value if quantization else None)
    console.note(f"the model is in {out}")


def _check_free(out: Path) -> None:
    """Refuse before any work is done."""
    if out.exists():
        raise OutputError(f"{out}: exists; name a folder that does not")
