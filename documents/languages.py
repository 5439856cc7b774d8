"""Languages that a file or its path names, and those that were asked for."""

import re
from pathlib import PurePath

from tformer.documents.document import DocumentLanguages
from tformer.model.errors import InputError
from tformer.model.text.languages import code_of
from tformer.model.text.normalization import same_language

_CODE = r"([a-z]{2}(?:[-_](?:r?[A-Z]{2}|[A-Z][a-z]{3}))?)"
_FOLDER = rf"(?:^|/)(?:locales?|i18n|l10n|lang|languages|translations)/{_CODE}"
_NAMES = {
    ".strings": rf"{_CODE}\.lproj/[^/]+$",
    ".stringsdict": rf"{_CODE}\.lproj/[^/]+$",
    ".xml": rf"(?:^|/)values-{_CODE}(?:-[^/]+)?/[^/]+$",
    ".resx": rf"\.{_CODE}\.resx$",
    ".properties": rf"_{_CODE}\.properties$",
    ".json": rf"{_FOLDER}(?:\.json$|/)",
    ".yml": rf"{_FOLDER}(?:\.ya?ml$|/)",
    ".yaml": rf"{_FOLDER}(?:\.ya?ml$|/)",
    ".po": rf"(?:^|/){_CODE}/LC_MESSAGES/[^/]+$",
}
"""Patterns of the paths of string tables that name a language, by suffix."""


class OtherLanguageError(InputError):
    """A file says that it has other languages than those asked for."""


def language_of_path(name: str) -> str | None:
    """The language that the path of a string table names, as frameworks have it; None if none.

    Args:
        name: the path: `fr.lproj/Main.strings`, `values-fr/strings.xml`, `Form.fr.resx`.
    """
    path = PurePath(name)
    pattern = _NAMES.get(path.suffix.lower())
    match = re.search(pattern, path.as_posix()) if pattern else None
    return match[1].replace("-r", "-") if match and code_of(match[1][:2]) else None


def check_languages(name: str, declared: DocumentLanguages, source: str, target: str) -> None:
    """Refuse a file whose own languages are others.

    Args:
        name: of the file, for the message, and for the language that it names.
        declared: languages that the file names.
        source: language that is translated from.
        target: language that is translated into.

    Raises:
        OtherLanguageError: they are.
    """
    parts = (declared, *declared.others)
    for way, said, wanted, option in (
        *(("from", part.source, source, "source") for part in parts),
        *(("into", part.target, target, "target") for part in parts),
    ):
        if said and not same_language(said, wanted):
            raise OtherLanguageError(
                f"{name}: says that it is translated {way} {said}, not {wanted}: name its "
                f"languages with --{option}, or correct the file"
            )
    for place, said in (("", declared.page), ("by its path ", language_of_path(name))):
        if said and code_of(said) and not any(same_language(said, one) for one in (source, target)):
            raise OtherLanguageError(
                f"{name}: is {place}in {said}, neither {source} nor {target}: name its languages "
                "with --source, or correct the file"
            )
