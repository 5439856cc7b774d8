"""Markup goes to the words that mean the same: the model that ships says which these are."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from fake_translator import Tformer

from tformer.documents.registry import open_document
from tformer.documents.translation import Answer, translate_segments

# What is marked in the source, and what may then be marked in the translation.
SENTENCES = {
    "I have not **seen** the house.": "gesehen|sah",
    "She has **bought** a new car in the city.": "gekauft|kaufte",
    "The dog that **bit** my brother was black.": "gebissen|biss",
    "Click **Save** to store the file.": "[Ss]peichern|[Ss]ichern",
    "You can **download** the program for free.": "herunterladen|heruntergeladen",
    "Please read the **user manual** before you start.": "(Benutzer)?[Hh]andbuch",
    "We will never **give up**, he said.": "aufgeben|auf",
    "Yesterday Anna went to the **railway station** with Tom.": "(dem )?(zum )?Bahnhof",
    "The red car is faster than the **blue** one.": "blaue",
    "Do not **open** the door before the train has stopped.": "[ÖO]ffnen?( Sie)?|öffne",
    "He wanted to **buy** the house, but it was too expensive.": "(zu )?kaufen",
    "Tomorrow we will **visit** our grandmother in Berlin.": "besuchen",
}


def test_bold_words_are_those_that_mean_the_same(tformer: Tformer, tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text("\n\n".join(SENTENCES))
    result = tformer("translate", file, "-s", "en", "-t", "de")
    paragraphs = result.out.split("\n\n")
    marked = [re.findall(r"\*\*(.+?)\*\*", paragraph) for paragraph in paragraphs]
    assert [len(bold) for bold in marked] == [1] * len(SENTENCES)
    right = [
        bool(re.fullmatch(wanted, bold[0]))
        for bold, wanted in zip(marked, SENTENCES.values(), strict=True)
    ]
    assert sum(right) >= len(right) - 1, marked


def test_alignments_of_answers_are_followed() -> None:
    def model(texts: Sequence[str]) -> Iterable[Answer]:
        return [Answer("c b a", [(0, 2), (1, 1), (2, 0)]) for _ in texts]

    document = open_document(b"**a** b *c*\n", "markdown")
    results = translate_segments(document.segments, model)
    assert document.with_translations({r.segment.id: r.text for r in results}) == b"*c* b **a**\n"
