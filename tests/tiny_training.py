"""Small texts, recipes and stores for the tests of training."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from tformer.model.training.preparing import prepare
from tformer.model.training.recipe import Recipe
from tformer.model.training.store import TokenStore

PAIRS = [
    ("A dog runs on the beach.", "Ein Hund läuft am Strand."),
    ("Where is the railway station?", "Wo ist der Bahnhof?"),
    ("The old house has a green door.", "Das alte Haus hat eine grüne Tür."),
    ("She reads a book every evening.", "Sie liest jeden Abend ein Buch."),
    ("It will rain tomorrow afternoon.", "Morgen Nachmittag wird es regnen."),
    ("We bought bread, cheese and 12 apples.", "Wir kauften Brot, Käse und 12 Äpfel."),
    ("The children are playing in the garden.", "Die Kinder spielen im Garten."),
    ("Please close the window, it is cold.", "Bitte schließ das Fenster, es ist kalt."),
    ("He has forgotten his keys again.", "Er hat schon wieder seine Schlüssel vergessen."),
    ("The train to Hamburg leaves at 9:45.", "Der Zug nach Hamburg fährt um 9:45 Uhr ab."),
]

SENTENCES = [side for pair in PAIRS for side in pair]

VOCABULARY_SIZE = 340
"""A few merges above the 256 bytes, the special pieces and the letters."""

RECIPE = """
languages = ["en", "de"]
{sections}
[model]
preset = "small"
d_model = 16
num_heads = 2
d_ff = 32
num_encoder_layers = 1
num_decoder_layers = 1
dropout = 0.1
{model}

[vocabulary]
size = {size}

[training]
tokens_per_batch = 96
warmup_steps = 4
{training}
"""


def write_tsv(path: Path, pairs: Iterable[tuple[str, str]]) -> Path:
    """A corpus of pairs."""
    path.write_text("".join(f"{first}\t{second}\n" for first, second in pairs), encoding="utf-8")
    return path


def write_recipe(
    folder: Path,
    *corpora: str,
    validation: str | None = None,
    model: str = "",
    training: str = "",
    size: int = VOCABULARY_SIZE,
) -> Path:
    """A recipe of a tiny network on ``corpora``, "path" or "path:weight"."""
    sections = []
    for corpus in corpora:
        path, _, weight = corpus.partition(":")
        sections.append(f'[[corpus]]\npath = "{path}"\nweight = {weight or 1}\n')
    if validation:
        sections.append(f'[[validation]]\nname = "held-out"\npath = "{validation}"\n')
    text = RECIPE.format(sections="\n".join(sections), model=model, training=training, size=size)
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def make_store(folder: Path, recipe: Recipe) -> TokenStore:
    """A store of the recipe's corpora, all under ``folder``."""
    prepare(recipe, folder, folder / "store", report=lambda line: None)
    return TokenStore.open(folder / "store")


def sample_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Distinct pairs of word salad, of many lengths."""
    draw = random.Random(seed)
    words = [[pair[side].split() for pair in PAIRS] for side in (0, 1)]
    vocabulary = [[word for sentence in side for word in sentence] for side in words]
    return [
        (
            " ".join([str(index), *draw.choices(vocabulary[0], k=draw.randint(1, 12))]),
            " ".join([str(index), *draw.choices(vocabulary[1], k=draw.randint(1, 12))]),
        )
        for index in range(count)
    ]
