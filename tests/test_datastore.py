"""Datastores: what is stored, found and mixed, in int8 and in torch, against the paper."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_translator import Tformer
from hypothesis import given
from hypothesis import strategies as st
from serving import serving
from tiny import tiny_model, tiny_transformer, wide_transformer

from tformer.model.datastore import writing
from tformer.model.datastore.fitting import LeftOutTokens, fit
from tformer.model.datastore.layout import Datastore, Subset
from tformer.model.datastore.mixing import MixtureWeights, mixed, nearest, squared_distances
from tformer.model.datastore.retrieval import index_sources, most_similar, rarity, terms_of
from tformer.model.datastore.states import quantised
from tformer.model.engine.engine import Engine
from tformer.model.errors import InputError, OutputError, UsageError
from tformer.model.network.eager import Eager
from tformer.model.network.int8.network import Int8
from tformer.model.network.int8.packing import unstored
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.passes.recollection import RecalledEntry, RecalledToken, pairs_of
from tformer.model.pipeline.datastore_builder import build_datastore
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Request
from tformer.model.terms.translation_memory import Unit
from tformer.server.client import Client
from tformer.server.sources import DatastoreSource, Settings

WEIGHTS = MixtureWeights(3.0, 0.4, -0.02, 1.1, neighbours=5, trust=0.8)

UNITS = [
    Unit("Where is the railway station?", "Wo ist der Bahnhof?", "en", "de"),
    Unit("A dog runs on the beach.", "Ein Hund läuft am Strand.", "en", "de"),
    Unit("A cat runs on the roof.", "Eine Katze läuft auf dem Dach.", "en", "de"),
    Unit("Where is the beach?", "Wo ist der Strand?", "en", "de"),
]


def subset_of(seed: int, entries: int, width: int, vocab_size: int) -> Subset:
    """Random entries around which states of a network lie."""
    random = np.random.default_rng(seed)
    keys, scales = quantised(random.normal(size=(entries, width)))
    tokens = random.integers(0, vocab_size, entries).astype(np.int32)
    return Subset(keys, scales, tokens, np.arange(entries), WEIGHTS)


def by_the_paper(
    network: Transformer, source: list[int], said: list[int], subset: Subset
) -> np.ndarray:
    """log p of every next token (V,), with numbers of any size and no cache."""
    with torch.no_grad():
        states = network.target_states(torch.tensor([source]), None, torch.tensor([said]))[0, -1]
        log_probs = network.project(states[None])[0].double().log_softmax(-1).numpy()
    found = nearest(
        squared_distances(states.double().numpy(), subset.keys, subset.scales), subset.weights
    )
    return mixed(log_probs, found, subset.tokens, subset.weights)[0]


@given(st.integers(0, 10_000))
def test_the_mixture_is_a_distribution_of_tokens_that_are_said_more_or_less(seed: int) -> None:
    random = np.random.default_rng(seed)
    log_probs = np.log(random.dirichlet(np.ones(9)))
    subset = subset_of(seed, int(random.integers(1, 12)), 4, 9)
    found = nearest(squared_distances(random.normal(size=4), subset.keys, subset.scales), WEIGHTS)
    result, share = mixed(log_probs.copy(), found, subset.tokens, WEIGHTS)
    assert math.isclose(np.exp(result).sum(), 1)
    assert 0 < share < WEIGHTS.trust
    unnamed = np.setdiff1d(np.arange(9), subset.tokens[found.entries])
    np.testing.assert_allclose(result[unnamed], log_probs[unnamed] + math.log1p(-share))


def test_the_eager_network_mixes_as_the_paper_has_it() -> None:
    network = tiny_transformer(3)
    subset = subset_of(1, 40, 16, 12)
    decoding = Eager(network).start(2)
    decoding.admit([[5, 7, 2], [9, 2]])
    decoding.recall([None, subset])
    with torch.inference_mode():
        found = decoding.step(np.array([1, 1, 1, 1])).all().numpy()
    np.testing.assert_allclose(found[3], by_the_paper(network, [9, 2], [1], subset), rtol=1e-5)
    plain = by_the_paper(network, [5, 7, 2], [1], subset_of(0, 0, 16, 12))
    np.testing.assert_allclose(found[0], plain, rtol=1e-6)


def test_int8_mixes_what_it_would_say_without_with_what_is_nearest() -> None:
    """Against the same sums in NumPy, of its own representation and probabilities."""
    network = Int8(wide_transformer(torch.float32))
    subset = subset_of(2, 300, 128, 500)
    source = [5, 7, 9, 2]
    plain, recalling = network.start(2), network.start(2)
    for decoding, entries in ((plain, None), (recalling, subset)):
        decoding.admit([source, [8, 2]])
        decoding.recall([None, entries])
    tokens = np.array([1, 1, 1, 1])
    without, scores = plain.step(tokens), recalling.step(tokens)
    with_entries, all_without = scores.all().numpy(), without.all().numpy()
    np.testing.assert_array_equal(with_entries[:2], all_without[:2])
    work = recalling._room._work.parts
    state = unstored(work[1][2:3], 128)[0].astype(np.int32) * work[2][2]
    found = nearest(squared_distances(state, subset.keys, subset.scales), WEIGHTS)
    expected, _ = mixed(all_without[2].astype(np.float64), found, subset.tokens, WEIGHTS)
    np.testing.assert_allclose(with_entries[2], expected, rtol=2e-4)
    log_probs, best = scores.best(9)
    for row in range(4):
        np.testing.assert_allclose(log_probs[row], np.sort(with_entries[row])[::-1][:9], rtol=1e-5)
        np.testing.assert_allclose(log_probs[row], with_entries[row, best[row]], rtol=1e-5)
    np.testing.assert_allclose(scores.of(2), with_entries[:, 2], rtol=1e-5)


class Always(Datastore):
    """A datastore that has the same for every source."""

    def __init__(self, subset: Subset) -> None:
        self._subset = subset

    def subset(self, source: object, weight: float | None = None, without: int = -1) -> Subset:
        return self._subset


def answers(engine: Engine, requests: list[Request]) -> list[tuple]:
    numbers = [engine.submit(request) for request in requests]
    found: dict[int, tuple] = {}
    while engine.busy:
        found |= {each.number: each.hypotheses for each in engine.step()}
    return [found[number] for number in numbers]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_neighbours_with_and_without_a_datastore_change_nothing(beam_size: int) -> None:
    """Also where steps are taken together, and where a neighbour needs each step looked at."""
    network = Int8(wide_transformer(torch.float32))
    stores = {"a": Always(subset_of(3, 200, 128, 500)), "b": Always(subset_of(4, 90, 128, 500))}
    random = np.random.default_rng(5)
    requests = [
        Request(
            [*random.integers(3, 500, random.integers(1, 12)).tolist(), 2],
            DecodingOptions(
                beam_size=beam_size,
                max_length=12,
                datastore=["", "a", "b"][n % 3],
                repetition_penalty=1.5 if n == 7 else 1.0,
            ),
        )
        for n in range(12)
    ]

    def engine() -> Engine:
        return Engine(network, beam_size=beam_size, datastores=stores)

    alone = [answers(engine(), [request])[0] for request in requests]
    assert answers(engine(), requests) == alone
    plain = [
        answers(engine(), [Request(r.source, DecodingOptions(beam_size=beam_size, max_length=12))])[
            0
        ]
        for r in requests
    ]
    assert [n for n in range(12) if plain[n] == alone[n]] == [0, 3, 6, 9]


@given(st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=6), min_size=1, max_size=8))
def test_sources_are_found_by_the_terms_that_they_share(sources: list[list[int]]) -> None:
    arrays = [np.array(source) for source in sources]
    postings = index_sources(arrays)
    pairs, scores = most_similar(postings, len(sources), sources[0], len(sources))
    assert (np.diff(scores) <= 0).all() and (scores > 0).all()
    limit = max(1, 0.2 * len(sources))
    terms = [set(terms_of(array).tolist()) for array in arrays]
    frequency = {t: sum(t in each for each in terms) for t in terms[0]}
    rare = {t for t, number in frequency.items() if number <= limit}
    assert set(pairs.tolist()) == {n for n, each in enumerate(terms) if each & rare}
    assert rarity(10, 1) > rarity(10, 5) > 0


def test_parameters_trust_entries_that_are_near_and_right() -> None:
    random = np.random.default_rng(0)
    near = random.random(500) < 0.5
    distances = np.where(near, 5.0, 80.0)[:, None] + random.random((500, 4))
    tokens = np.where(near, 7, 8)[:, None] * np.ones(4, np.int64)
    weights = fit(LeftOutTokens(np.full(500, -2.0), distances, tokens, np.full(500, 7)), 256, 4)
    trusted, doubted = weights.weight(np.array([5.0, 80.0]), np.array([1.0, 1.0]))
    assert trusted > 0.9 and doubted < 0.1
    with pytest.raises(UsageError, match="below 1"):
        weights.fixed(1.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module", params=["int8", "float32"])
def loaded(request: pytest.FixtureRequest, model: Path) -> Iterator[Translator]:
    yield Translator.load(model, device="cpu", dtype=request.param, threads=2)


def built(translator: Translator, folder: Path, units: list[Unit] = UNITS) -> Datastore:
    return build_datastore(translator, units, folder, "en", "de")


def sharp(directory: Path) -> Datastore:
    """The datastore with a temperature at which the nearest entry alone counts."""
    told = Datastore(directory).description
    replace(told, weights=replace(told.weights, temperature=1e-4)).write(directory)
    return Datastore(directory)


def test_a_datastore_has_an_entry_for_every_target_token(
    loaded: Translator, tmp_path: Path
) -> None:
    datastore = built(loaded, tmp_path / "memory")
    vocabulary = loaded.vocabulary
    targets = [vocabulary.encode_target(unit.target) for unit in UNITS]
    assert datastore.tokens.tolist() == [token for target in targets for token in target]
    assert datastore.texts(2) == (UNITS[2].source, UNITS[2].target)
    assert datastore.pair_of(len(targets[0])) == 1
    with pytest.raises(UsageError, match="another model"):
        datastore.check_model("x")


def test_what_a_datastore_has_is_said(loaded: Translator, tmp_path: Path) -> None:
    """A network that knows nothing translates by heart, and tells from which pair."""
    loaded.add_datastore("trips", sharp(built(loaded, tmp_path / "memory").directory))
    options = DecodingOptions(
        datastore="trips", datastore_weight=0.95, datastore_pairs=True, literals=False, guard=False
    )
    texts = [UNITS[0].source, UNITS[1].source]
    found = list(loaded.translate(texts, source="en", target="de", options=options))
    assert [each.text for each in found] == [UNITS[0].target, UNITS[1].target]
    assert found[0].recalled[0].source == UNITS[0].source
    assert found[0].recalled[0].tokens > 3
    unknown = DecodingOptions(datastore="fares")
    with pytest.raises(UsageError, match="no datastore 'fares' is open; there are trips"):
        list(loaded.translate(texts, source="en", target="de", options=unknown))


def test_entries_too_far_to_count_name_no_pair(loaded: Translator, tmp_path: Path) -> None:
    """Where a temperature is low, e to the power of a distance may be 0."""
    datastore = built(loaded, tmp_path / "memory")
    far = RecalledToken(7, (RecalledEntry(0, 5, 1.0), RecalledEntry(1, 7, 0.0)), 0.9, 0.0)
    near = RecalledToken(5, (RecalledEntry(0, 5, 1.0),), 0.9, 0.5)
    assert pairs_of(datastore, [far]) == []
    assert [pair.tokens for pair in pairs_of(datastore, [far, near])] == [0.5]


def test_a_build_that_was_cut_off_goes_on(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(model, device="cpu", dtype="float32")
    whole = built(translator, tmp_path / "whole")
    monkeypatch.setattr("tformer.model.pipeline.datastore_builder.LOT", 2)

    def killed(done: int, total: int) -> None:
        raise KeyboardInterrupt

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        build_datastore(translator, UNITS, part, "en", "de", watch=killed)
    with pytest.raises(InputError, match="unfinished"):
        Datastore(part)
    with (part / "keys.bin").open("ab") as stream:
        stream.write(b"half an entry")
    seen: list[int] = []
    build_datastore(translator, UNITS, part, "en", "de", watch=lambda done, _: seen.append(done))
    assert seen == [4]
    for path in sorted(whole.directory.iterdir()):
        if path.name != writing.PROGRESS:
            assert path.read_bytes() == (part / path.name).read_bytes(), path.name
    (part / "keys.bin").write_bytes(b"damaged")
    with pytest.raises(InputError, match="different sizes"):
        Datastore(part)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("Dear ...")
    with pytest.raises(OutputError, match="other files"):
        built(translator, tmp_path / "other")


def test_the_command_line_and_a_server_use_it(
    tformer: Tformer, model: Path, tmp_path: Path
) -> None:
    pairs, memory = tmp_path / "pairs.tsv", tmp_path / "memory"
    pairs.write_text("".join(f"{unit.source}\t{unit.target}\n" for unit in UNITS), "utf-8")
    device = ("--device", "cpu", "--dtype", "float32", "-m", model)
    done = tformer("memory", "build", pairs, *device, "-s", "en", "-t", "de", "-o", memory)
    assert done.status == 0, done.err
    assert "4 pairs" in done.err
    sharp(memory)
    options = ("--datastore-weight", "0.95", "--no-literals", "--no-guard", "-s", "en", "-t", "de")
    text = f"{UNITS[0].source}\n".encode()
    done = tformer("translate", *device, "--datastore", memory, *options, "--json", "-", stdin=text)
    record = json.loads(done.out)
    assert record["target"] == UNITS[0].target
    assert record["recalled"][0]["target"] == UNITS[0].target
    attention_shows_the_memory(tformer, model, memory)
    settings = Settings(
        device="cpu", dtype="float32", datastores=(DatastoreSource("trips", memory),)
    )
    with serving(model, settings=settings) as running, Client(running.address) as client:
        asked = DecodingOptions(
            datastore="trips",
            datastore_weight=0.95,
            datastore_pairs=True,
            literals=False,
            guard=False,
        )
        (answer,) = client.translate([UNITS[0].source], source="en", target="de", options=asked)
        assert answer.text == UNITS[0].target
        assert answer.recalled[0].source == UNITS[0].source


def attention_shows_the_memory(tformer: Tformer, model: Path, memory: Path) -> None:
    """The beam sums log p of the mixture, and every piece of the pair is said by its entry."""
    call = ("attention", UNITS[0].source, "-m", model, "-s", "en", "-t", "de", "--device", "cpu")
    shown = tformer(*call, "--datastore", memory, "--datastore-weight", "0.95", "--json")
    record = json.loads(shown.out)
    assert record["hypotheses"][0]["text"] == UNITS[0].target
    for piece, retrieval in zip(record["target_pieces"], record["memory"], strict=True):
        assert retrieval["weight"] == pytest.approx(0.95)
        best = retrieval["entries"][0]
        assert (best["piece"], best["target"]) == (piece, UNITS[0].target)
    totals = [c["total"] for step in record["steps"] for c in step if c["fate"] == "finished"]
    assert any(total == pytest.approx(sum(record["log_probs"]), abs=1e-3) for total in totals)
    lines = tformer(*call, "--datastore", memory, "--datastore-weight", "0.95").out
    assert f"0.95  {record['target_pieces'][0].replace('▁', '·')}" in lines
