"""Languages that a file names, and those that were asked for."""

from tformer.documents.document import DocumentLanguages
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language


class OtherLanguageError(InputError):
    """A file says that it has other languages than those asked for."""


def check_languages(name: str, declared: DocumentLanguages, source: str, target: str) -> None:
    """Refuse a file whose own languages are others.

    Args:
        name: of the file, for the message.
        declared: languages that the file names.
        source: language that is translated from.
        target: language that is translated into.

    Raises:
        OtherLanguageError: they are.
    """
    for way, said, wanted, option in (
        ("from", declared.source, source, "source"),
        ("into", declared.target, target, "target"),
    ):
        if said and not same_language(said, wanted):
            raise OtherLanguageError(
                f"{name}: says that it is translated {way} {said}, not {wanted}: name its "
                f"languages with --{option}, or correct the file"
            )
