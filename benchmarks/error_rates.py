"""Count what goes wrong in translations in ways that a program can see.

    python benchmarks/error_rates.py model/pretrained/en-de [MODEL ...] TESTSETS --lines 2000

translates lines of sets in the folder TESTSETS, both ways, with every model, with literals and
without, and prints for each kind of error how many lines of 100 show it, beside the same rate of
the references: people merge, leave out and round as well. A set is a pair of files NAME.en-de.en
and NAME.en-de.de; lines are taken evenly from all over the sets.

Nothing here asks the passes that mend translations: numbers are runs of digits, of two or more, in
any notation; sentences end at a mark before a capital or the end of the line. Languages are told
by the detector that the product has, too.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.segmentation import detect

LANGUAGES = ("en", "de")

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"\w+")

# A period behind a letter, a day or a title ends no sentence, but at the end of the line.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”“»)]*(?=\s+[\"'„“«(]?[A-ZÄÖÜ]|\s*$)")
_ABBREVIATED = re.compile(r"\b(?:[A-Za-zÄÖÜäöü]|\d{1,2}|Mrs?|Dr|St|Prof|Sen|Gen|Gov|Nr|bzw|ca)\.$")

SETS = ("newstest2013", "chat-dev", "tatoeba-test")


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
    """Return whether there are fewer sentences than in the source, or less than a third of one."""
    return _num_sentences(target) < _num_sentences(source) or (
        len(source.split()) >= 6 and 3 * len(target.split()) < len(source.split())
    )


def _num_sentences(text: str) -> int:
    ends = [end.start() + 1 for end in _SENTENCE_END.finditer(text.rstrip())]
    return sum(not _ABBREVIATED.search(text, 0, end) for end in ends[:-1]) + bool(ends)


KINDS: dict[str, Callable[[str, str, str], bool]] = {
    "numbers changed or lost": changes_numbers,
    "four words repeated": repeats,
    "length off by more than 2": is_out_of_proportion,
    "wrong language": is_of_another_language,
    "source copied": is_copied,
    "sentence lost": loses_a_sentence,
}


def read(folder: Path, names: Sequence[str], lines: int) -> list[tuple[str, str]]:
    """About ``lines`` pairs, evenly from every set and from its whole length."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        both = ((folder / f"{name}.en-de.{code}").read_text("utf-8") for code in LANGUAGES)
        found = list(zip(*(text.splitlines() for text in both), strict=True))
        share = max(1, lines // len(names))
        pairs += found[:: max(1, len(found) // share)][:share]
    return pairs


def main() -> None:
    """Translate, count and print a table for each direction."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+", help="model directories, or names of shipped ones")
    parser.add_argument("testsets", type=Path, help="folder of NAME.en-de.en and NAME.en-de.de")
    parser.add_argument("--sets", nargs="+", default=SETS, help="names of the sets")
    parser.add_argument("--lines", type=int, default=2000, help="in each direction")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--show", type=int, default=0, help="print so many lines of each kind")
    given = parser.parse_args()
    pairs = read(given.testsets, given.sets, given.lines)
    translators = {model: Translator.load(model) for model in given.models}
    for index in (0, 1):
        report(translators, pairs, index, given.beam, given.show)


def report(
    translators: Mapping[str, Translator],
    pairs: Sequence[tuple[str, str]],
    index: int,
    beam: int,
    show: int,
) -> None:
    """Print the rates of one direction: of every model, with and without literals, of people."""
    sources, references = [p[index] for p in pairs], [p[1 - index] for p in pairs]
    languages = LANGUAGES[index], LANGUAGES[1 - index]
    columns: dict[str, Sequence[str]] = {}
    for name, translator in translators.items():
        for literals in (True, False):
            options = DecodingOptions(beam_size=beam, literals=literals)
            found = translator.translate(
                sources, source=languages[0], target=languages[1], options=options
            )
            plain = "" if literals else ", --no-literals"
            columns[f"{name}{plain}"] = [translation.text for translation in found]
    columns["references"] = references
    print(f"| {'→'.join(languages)}, of {len(pairs):,} lines | {' | '.join(columns)} |")
    print("|---|" + "---:|" * len(columns))
    for kind, shows in KINDS.items():
        counts = [
            sum(shows(s, t, languages[1]) for s, t in zip(sources, side, strict=True))
            for side in columns.values()
        ]
        rates = [f"{100 * count / len(pairs):.2f} %" for count in counts]
        print(f"| {kind} | {' | '.join(rates)} |", flush=True)
    for kind, shows in KINDS.items() if show else ():
        for name, side in columns.items():
            marked = [
                pair for pair in zip(sources, side, strict=True) if shows(*pair, languages[1])
            ]
            for source, target in marked[:show]:
                print(f"\n{kind}, {name}:\n  {source}\n  {target}")


if __name__ == "__main__":
    main()
