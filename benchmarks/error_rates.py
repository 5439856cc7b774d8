"""Count what goes wrong in translations in ways that a program can see.

    python benchmarks/error_rates.py model/pretrained/en-de TESTSETS --lines 2000

translates lines of the sets in the folder TESTSETS, both ways, and prints for each kind of error
how many lines of 100 show it, beside the same rate of the references: people merge, leave out and
round as well. A set is a pair of files NAME.en-de.en and NAME.en-de.de; lines are taken evenly.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.segmentation import detect, split

LANGUAGES = ("en", "de")

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"\w+")


def numbers(text: str) -> Counter[str]:
    """Numbers by their digits."""
    return Counter(re.sub(r"\D", "", number) for number in _NUMBER.findall(text))


def changes_numbers(source: str, target: str, language: str) -> bool:
    """Return whether a number of two digits or more is lost, changed or new."""
    before, after = numbers(source), numbers(target)
    return any(len(number) > 1 for number in (before - after) + (after - before))


def repeats(source: str, target: str, language: str) -> bool:
    """Return whether four words in a row are said twice, and the source repeats none."""
    return _has_repeat(target) and not _has_repeat(source)


def _has_repeat(text: str) -> bool:
    words = _WORD.findall(text.casefold())
    return max(Counter(zip(*(words[i:] for i in range(4)), strict=False)).values(), default=0) > 1


def is_out_of_proportion(source: str, target: str, language: str) -> bool:
    """Return whether one side has more than twice the words of the other, and six or more."""
    shorter, longer = sorted(len(_WORD.findall(text)) for text in (source, target))
    return longer >= 6 and longer > 2 * shorter


def is_of_another_language(source: str, target: str, language: str) -> bool:
    """Return whether five words or more are surely not of the target's language."""
    found = detect(target, LANGUAGES)
    return len(_WORD.findall(target)) >= 5 and found.language != language and found.confidence > 0.9


def is_copied(source: str, target: str, language: str) -> bool:
    """Return whether four words or more of the source are the translation."""
    return len(_WORD.findall(source)) >= 4 and source.casefold() == target.casefold()


def loses_a_sentence(source: str, target: str, language: str) -> bool:
    """Return whether there are fewer sentences than in the source."""
    other = next(code for code in LANGUAGES if code != language)
    return len(split(target, language)) < len(split(source, other))


KINDS: dict[str, Callable[[str, str, str], bool]] = {
    "numbers changed or lost": changes_numbers,
    "four words repeated": repeats,
    "length off by more than 2": is_out_of_proportion,
    "wrong language": is_of_another_language,
    "source copied": is_copied,
    "sentence lost": loses_a_sentence,
}


def read(folder: Path, lines: int) -> list[tuple[str, str]]:
    """About ``lines`` pairs, evenly from every set and from its whole length."""
    names = sorted(folder.glob("*.en-de.en"))
    pairs: list[tuple[str, str]] = []
    for name in names:
        both = zip(
            name.read_text("utf-8").splitlines(),
            name.with_suffix(".de").read_text("utf-8").splitlines(),
            strict=True,
        )
        found = list(both)
        share = max(1, lines // len(names))
        pairs += found[:: max(1, len(found) // share)][:share]
    return pairs


def main() -> None:
    """Translate, count and print a table for each direction."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="a model directory, or the name of one that ships")
    parser.add_argument("testsets", type=Path, help="folder of NAME.en-de.en and NAME.en-de.de")
    parser.add_argument("--lines", type=int, default=2000, help="in each direction")
    parser.add_argument("--beam", type=int, default=4)
    arguments = parser.parse_args()
    translator = Translator.load(arguments.model)
    pairs = read(arguments.testsets, arguments.lines)
    for index in (0, 1):
        report(translator, pairs, index, DecodingOptions(beam_size=arguments.beam))


def report(
    translator: Translator, pairs: list[tuple[str, str]], index: int, options: DecodingOptions
) -> None:
    """Print the rates of one direction, of the translations and of the references."""
    sources, references = [p[index] for p in pairs], [p[1 - index] for p in pairs]
    source, target = LANGUAGES[index], LANGUAGES[1 - index]
    translations = [
        translation.text
        for translation in translator.translate(
            sources, source=source, target=target, options=options
        )
    ]
    print(f"| {source}→{target}, of {len(pairs):,} lines | translations | references |")
    print("|---|---:|---:|")
    for name, shows in KINDS.items():
        rates = [
            100 * sum(shows(s, t, target) for s, t in zip(sources, side, strict=True)) / len(pairs)
            for side in (translations, references)
        ]
        print(f"| {name} | {rates[0]:.2f} % | {rates[1]:.2f} % |")


if __name__ == "__main__":
    main()
