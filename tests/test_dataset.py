"""Datasets: every row comes back once, with all that it had, whatever kills the job on the way."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_translator import MortalTranslator, Tformer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.dataset.conditions import parse_condition
from tformer.dataset.duplicates import TextDictionary
from tformer.dataset.files import blocks
from tformer.dataset.files.blocks import CellTranslation
from tformer.dataset.spool import spool_path
from tformer.model.errors import UsageError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> MortalTranslator:
    fake = MortalTranslator()
    monkeypatch.setattr(loading, "load_translator", lambda model, place: fake)
    return fake


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three rows, so that a few rows are many."""
    for module in ("blocks", "text_files", "arrow_blocks", "parquet"):
        monkeypatch.setattr(f"tformer.dataset.files.{module}.BLOCK_ROWS", 3)
    assert blocks.BLOCK_ROWS == 3


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table_of(texts: list[str | None]) -> Any:
    """A table whose other columns are awkward."""
    numbers = range(len(texts))
    return pa.table(
        {
            "id": pa.array([i * 10**12 for i in numbers], pa.int64()),
            "text": pa.array(texts, pa.string()),
            "code": pa.array([["a", None][i % 2] for i in numbers]).dictionary_encode(),
            "deep": pa.array([None if i % 3 == 2 else {"x": [i], "t": t}
                              for i, t in enumerate(texts)],
                             pa.struct([("x", pa.list_(pa.int8())), ("t", pa.large_string())])),
            "time": pa.array(numbers, pa.timestamp("us", "Europe/Berlin")),
        }
    ).replace_schema_metadata({"owner": "me"})  # fmt: skip


TEXTS = ["one", None, "", "two\nthree", "  ", "one", "split this", "two", "four"]


def shouted(text: str | None) -> str | None:
    return text if text is None else text.upper()


def test_parquet_keeps_schema_compression_row_groups_and_other_columns(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    table = table_of(TEXTS)
    codecs = {"id": "gzip", "text": "zstd", "code": "none", "deep.x.list.element": "snappy",
              "deep.t": "snappy", "time": "brotli"}  # fmt: skip
    pq.write_table(table, "a.parquet", row_group_size=4, compression=codecs)
    result = tformer(
        "translate", "a.parquet", "--column", "text", "--column", "deep.t", "-s", "en", "-t", "de",
        "-o", "b.parquet", "--add", "warnings", "--add", "score",
    )  # fmt: skip
    assert result.status == 0, result.err
    out = pq.read_table("b.parquet")
    assert out.select(["id", "text", "code", "time"]).equals(
        table.select(["id", "text", "code", "time"]), check_metadata=True
    )
    assert out["text_de"].to_pylist() == list(map(shouted, TEXTS))
    assert out["text_de_warnings"].to_pylist()[6] == ["was split"]
    assert out.schema.field("text_de").type == pa.string()
    deep = out["deep"].combine_chunks()
    assert deep.type.field("t_de").type == pa.large_string()
    without = [row and {"x": row["x"], "t": row["t"]} for row in deep.to_pylist()]
    assert without == table["deep"].to_pylist()
    assert [row and row["t_de"] for row in deep.to_pylist()] == [
        None if i % 3 == 2 else shouted(text) for i, text in enumerate(TEXTS)
    ]
    facts, before = pq.ParquetFile("b.parquet").metadata, pq.ParquetFile("a.parquet").metadata
    assert [facts.row_group(i).num_rows for i in range(facts.num_row_groups)] == [4, 4, 1]
    kept = {}
    for metadata in (before, facts):
        group = metadata.row_group(0)
        found = {group.column(i).path_in_schema: group.column(i).compression
                 for i in range(group.num_columns)}  # fmt: skip
        kept[metadata is facts] = found
    assert kept[True].items() >= kept[False].items()
    assert sorted(counting.answered) == sorted({"one", "two", "three", "split this", "four"})
    assert "2 of an" not in result.err and "duplicates" in result.err
    assert not list(here.glob(".*"))


def test_a_column_is_replaced_where_its_name_is_the_pattern(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    table = table_of(TEXTS)
    pq.write_table(table, "a.parquet")
    pattern = ("--output-column", "{column}")
    arguments = ("--column", "text", *pattern, "-t", "de", "-o", "b.parquet")
    assert tformer("translate", "a.parquet", *arguments).status == 0
    out = pq.read_table("b.parquet")
    assert out.schema.equals(pq.read_schema("a.parquet"), check_metadata=True)
    assert out["text"].to_pylist() == list(map(shouted, TEXTS))


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_arrow_files_and_streams_keep_their_batches_and_compression(
    here: Path, tformer: Tformer, counting: MortalTranslator, kind: str, codec: str | None
) -> None:
    table = table_of(TEXTS * 9).drop_columns("code")
    options = pa.ipc.IpcWriteOptions(compression=codec)
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with make("a.arrow", table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=20)
    assert tformer("translate", "a.arrow", "--column", "text", "-t", "de", "-o", "b.arrow")[0] == 0
    opener = pa.ipc.open_file if kind == "file" else pa.ipc.open_stream
    with pa.OSFile("b.arrow") as source:
        out = opener(source).read_all()
    assert out.drop_columns("text_de").equals(table, check_metadata=True)
    assert out["text_de"].to_pylist() == list(map(shouted, TEXTS * 9))
    assert [len(chunk) for chunk in out["id"].chunks] == [20, 20, 20, 20, 1]
    from tformer.dataset.files.ipc import IpcShard

    assert IpcShard(Path("b.arrow"))._codec() == codec


LINES = [
    '{"id": 1.50, "text": "one", "big": 123456789012345678901234567890}',
    '{"text":"two \\u00fc","a":{"b":[{"t":"x y"},{"t":null},{}]},"text2":1e5 }',
    "",
    ' {"other": true, "text": null}',
    "{}",
    '{"text": ["one", ["split", null]], "id": 2, "id": 3}',
]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_json_lines_stay_as_they_are_written(
    here: Path, tformer: Tformer, counting: MortalTranslator, suffix: str
) -> None:
    data = "\r\n".join(LINES).encode()
    packed = {"": bytes, ".gz": gzip.compress, ".zst": lambda d: bytes(pa.compress(d, "zstd"))}
    Path(f"a.jsonl{suffix}").write_bytes(packed[suffix](data))
    result = tformer(
        "translate", f"a.jsonl{suffix}", "--column", "text", "--column", "a.b.t", "-t", "de",
        "-o", f"b.jsonl{suffix}",
    )  # fmt: skip
    assert result.status == 0, result.err
    written = Path(f"b.jsonl{suffix}").read_bytes()
    if suffix == ".gz":
        written = gzip.decompress(written)
    if suffix == ".zst":
        written = pa.CompressedInputStream(pa.BufferReader(written), "zstd").read()
    lines = written.decode().split("\r\n")
    assert lines[0] == LINES[0][:-1] + ', "text_de": "ONE"}'
    assert lines[1] == (
        '{"text":"two \\u00fc","a":{"b":[{"t":"x y","t_de":"X Y"},{"t":null,"t_de":null},'
        '{"t_de": null}]},"text2":1e5,"text_de":"TWO \\u00dc" }'
    )
    assert lines[2] == ""
    assert lines[3] == ' {"other": true, "text": null, "text_de": null}'
    assert lines[4] == '{"text_de": null}'
    assert json.loads(lines[5])["text_de"] == ["ONE", ["SPLIT", None]]
    assert len(lines) == len(LINES)


def test_csv_keeps_rows_as_they_are_written(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    Path("a.csv").write_bytes(
        b'\xef\xbb\xbfid;"text";n\r\n1;"one, ""two""";+1.0\r\n2;;x\r\n\r\n3;"split\r\nhere";'
    )
    result = tformer("translate", "a.csv", "--column", "text", "-t", "de", "-o", "b.csv",
                     "--where", "id < 3", "--add", "warnings")  # fmt: skip
    assert result.status == 0, result.err
    assert Path("b.csv").read_bytes() == (
        b'\xef\xbb\xbfid;"text";n;text_de;text_de_warnings\r\n'
        b'1;"one, ""two""";+1.0;"ONE, ""TWO""";\r\n2;;x;;\r\n\r\n3;"split\r\nhere";;;'
    )
    Path("a.tsv").write_bytes(b'"one\tsplit\n')
    told = ("--dialect", "tsv header=no", "--output-column", "x{column}")
    tformer("translate", "a.tsv", "--column", "2", "-t", "de", "-o", "b.tsv", *told)
    assert Path("b.tsv").read_bytes() == b'"one\tsplit\tSPLIT\n'


def test_markup_in_cells_stays(here: Path, tformer: Tformer, counting: MortalTranslator) -> None:
    texts = ["# One\n\n`code` *two*\n", None, "plain", "# One\n\n`code` *two*\n"]
    pq.write_table(pa.table({"text": texts}), "a.parquet")
    result = tformer("translate", "a.parquet", "--column", "text", "-t", "de", "-o", "b.parquet",
                     "--format", "markdown")  # fmt: skip
    assert result.status == 0, result.err
    out = pq.read_table("b.parquet")["text_de"].to_pylist()
    assert out[0] == out[3] == "# ONE\n\n`code` *TWO*\n"
    assert out[1:3] == [None, "PLAIN"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.sampled_from(["one", "two", "split", "a\nb", "", None]), max_size=30),
    deaths=st.lists(st.integers(0, 9), max_size=3),
    kind=st.sampled_from(["parquet", "jsonl", "csv"]),
)
def test_a_killed_job_goes_on_and_every_row_is_there_once(
    tmp_path_factory: pytest.TempPathFactory,
    tformer: Tformer,
    monkeypatch: pytest.MonkeyPatch,
    texts: list[str | None],
    deaths: list[int],
    kind: str,
) -> None:
    here = tmp_path_factory.mktemp("job")
    source, output, once = (here / f"{name}.{kind}" for name in "abc")
    if kind == "parquet":
        pq.write_table(table_of(texts), source, row_group_size=7)
    elif kind == "jsonl":
        source.write_text("".join(json.dumps({"text": t, "i": i}) + "\n"
                                  for i, t in enumerate([*texts, "end"])))  # fmt: skip
    else:
        with source.open("w", newline="") as stream:
            csv.writer(stream).writerows([["text", "i"], *([t, i] for i, t in enumerate(texts))])

    def run(output: Path, lives: int) -> tuple[int, MortalTranslator]:
        fake = MortalTranslator(lives)
        monkeypatch.setattr(loading, "load_translator", lambda model, place: fake)
        result = tformer("translate", source, "--column", "text", "-t", "de", "--resume",
                         "-o", output)  # fmt: skip
        return result.status, fake

    total = 0
    for lives in deaths:
        status, fake = run(output, lives)
        total += len(fake.answered)
        if status == 0:
            break
        assert not output.exists()
    else:
        assert run(output, 10**9)[0] == 0
    assert run(once, 10**9)[0] == 0
    assert output.read_bytes() == once.read_bytes()
    assert not spool_path(output).exists()


def test_what_an_earlier_run_did_is_not_done_again(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    texts = [f"text {i}" for i in range(12)]
    pq.write_table(pa.table({"text": texts}), "a.parquet")
    call = ("translate", "a.parquet", "--column", "text", "-t", "de", "-o", "b.parquet")
    counting.lives = 7
    assert tformer(*call).status == ExitStatus.INTERRUPTED
    counting.lives = 10**9
    refused = tformer(*call)
    assert (refused.status, refused.err.count("\n")) == (ExitStatus.USAGE, 1)
    other = tformer(*call, "--resume", "--beam-size", "2")
    assert other.status == ExitStatus.USAGE and "options" in other.err
    counting.answered.clear()
    assert "(6 of an earlier run)" in tformer(*call, "--resume").err
    assert counting.answered == texts[6:]
    assert pq.read_table("b.parquet")["text_de"].to_pylist() == [t.upper() for t in texts]


def test_a_folder_of_the_datasets_library(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    features = {"text": {"dtype": "string", "_type": "Value"}}
    known = {"huggingface": json.dumps({"info": {"features": features}})}
    for split in ("train", "test"):
        (here / "in" / split).mkdir(parents=True)
        table = pa.table({"text": ["one", "two"]}).replace_schema_metadata(known)
        with pa.ipc.new_stream(f"in/{split}/data-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
        Path(f"in/{split}/dataset_info.json").write_text(json.dumps({"features": features}))
        Path(f"in/{split}/state.json").write_text("{}")
    Path("in/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    Path("in/README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n---\n# Card\n"
    )
    Path("in/notes.txt").write_text("no data")
    call = ("translate", "in", "--column", "text", "-t", "de", "-o", "out")
    assert tformer(*call).status == 0
    with pa.OSFile("out/test/data-00000-of-00001.arrow") as source:
        out = pa.ipc.open_stream(source).read_all()
    assert out["text_de"].to_pylist() == ["ONE", "TWO"]
    info = json.loads(out.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(info) == ["text", "text_de"] and info["text_de"] == info["text"]
    assert json.loads(Path("out/test/dataset_info.json").read_text())["features"] == info
    assert "- name: text_de\n    dtype: string" in Path("out/README.md").read_text()
    assert Path("out/README.md").read_text().endswith("# Card\n")
    assert not Path("out/notes.txt").exists()
    again = tformer(*call)
    assert again.status == ExitStatus.NOTHING and "2 up to date" in again.err


BAD: dict[str, tuple[str, bytes, str]] = {
    "not parquet": ("a.parquet", b"PAR1 but no", "cannot be read"),
    "not json": ("a.jsonl", b'{"text": "x"}\n{"text": "y"\n', "a.jsonl:2: not JSON"),
    "two values": ("a.jsonl", b'{"text": "x"} 5\n', "a.jsonl:1: has more than one value"),
    "no text": ("a.jsonl", b'{"text": "x"}\n{"text": 5}\n', "a.jsonl:2: text is no text but int"),
    "not utf-8": ("a.jsonl", b'{"text": "x"}\n{"text": "\xff"}\n', "a.jsonl:2: not utf-8"),
    "torn gzip": ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 99)[:-9], "cannot be read"),
    "no column": ("a.csv", b"id,words\n1,x\n", "has no column text; it has id, words"),
    "ragged": ("a.csv", b"id,text\n1,x\n2\n", "row 2 has 1 cells, the first 2"),
    "open quote": ("a.csv", b'id,text\n1,"x\n', "not CSV"),
    "taken": ("a.csv", b"text,text_de\nx,y\n", "has a column text_de already"),
    "no dataset": ("a.txt", b"text", "is no dataset"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    here: Path, tformer: Tformer, counting: MortalTranslator, name: str
) -> None:
    file, data, said = BAD[name]
    Path(file).write_bytes(data)
    result = tformer("translate", file, "--column", "text", "-t", "de", "-o", f"b{file[1:]}")
    assert result.status in (ExitStatus.INPUT, ExitStatus.USAGE)
    (line,) = [each for each in result.err.splitlines() if not each.startswith("note: ")]
    assert line.startswith("error: ") and said in line
    assert not Path(f"b{file[1:]}").exists()


def test_one_bad_file_of_a_folder_does_not_stop_the_others(
    here: Path, tformer: Tformer, counting: MortalTranslator
) -> None:
    Path("in").mkdir()
    for name in ("a", "c"):
        Path(f"in/{name}.jsonl").write_text('{"text": "one"}\n' * 9)
    Path("in/b.jsonl").write_text('{"text": "one"}\n' * 7 + "torn\n")
    result = tformer("translate", "in", "--column", "text", "-t", "de", "-o", "out")
    assert result.status == ExitStatus.INPUT
    assert "in/b.jsonl:8: is not an object" in result.err and "2 translated, 1 failed" in result.err
    assert sorted(path.name for path in Path("out").glob("*.jsonl")) == ["a.jsonl", "c.jsonl"]
    Path("in/b.jsonl").write_text('{"text": "one"}\n' * 7)
    mended = tformer("translate", "in", "--column", "text", "-t", "de", "-o", "out", "--resume")
    assert mended.status == 0 and "1 translated, 2 up to date" in mended.err


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("n > 1", [False, False, True, False]),
        ("n is None or text == 'b'", [False, True, False, True]),
        ("not n >= 0 and text.startswith('d')", [False, False, False, True]),
        ("a.b in ('x', 'y') and len(text) == 1", [True, False, True, False]),
        ("0 <= n < 2", [True, True, False, False]),
        ("z == '1'", [False] * 4),
    ],
)
def test_conditions_choose_rows(condition: str, kept: list[bool]) -> None:
    rows = [
        {"n": 0, "text": "a", "a.b": "x", "z": None},
        {"n": 1, "text": "b", "a.b": None, "z": 1.5},
        {"n": "2", "text": "c", "a.b": "y", "z": 2},
        {"n": None, "text": "d", "a.b": "z", "z": []},
    ]
    parsed = parse_condition(condition)
    assert [bool(parsed.holds(row)) for row in rows] == kept


@pytest.mark.parametrize(
    "text", ["", "n >", "__import__('os')", "n.__class__()", "[i for i in n]", "1 < 2", "open(n)"]
)
def test_nothing_but_conditions_is_taken(text: str) -> None:
    with pytest.raises(UsageError):
        parse_condition(text)


@pytest.mark.parametrize(
    "options",
    [
        ("--column", "text", "-t", "de"),
        ("--column", "text", "-o", "b.csv"),
        ("--where", "n > 1", "-t", "de"),
        ("--column", "text", "-t", "de", "-o", "b.jsonl"),
        ("--column", "text", "-t", "de", "-o", "b.csv", "--format", "po"),
        ("--column", "text", "-t", "de", "-o", "b.csv", "--output-column", "{x}"),
        ("--column", "text", "-t", "de", "-o", "b.csv", "--dialect", "mine"),
        ("--column", "text", "-t", "de", "-o", "a.csv"),
    ],
)
def test_calls_that_cannot_be_are_one_line(
    here: Path, tformer: Tformer, counting: MortalTranslator, options: tuple[str, ...]
) -> None:
    Path("a.csv").write_text("text,n\na,1\n")
    result = tformer("translate", "a.csv", *options)
    assert result.status == ExitStatus.USAGE
    assert result.err.count("\n") == 1 and not counting.answered


def test_many_duplicates_do_not_pile_up(
    here: Path, tformer: Tformer, counting: MortalTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tformer.dataset.cells.MOST_PENDING", 10)
    text = "".join(json.dumps({"text": t}) + "\n" for t in ["one"] * 100 + ["two"] + ["one"] * 50)
    Path("a.jsonl").write_text(text)
    result = tformer("translate", "a.jsonl", "--column", "text", "-t", "de", "-o", "b.jsonl",
                     "--json")  # fmt: skip
    assert json.loads(result.out.splitlines()[-1])["duplicates"] == 149
    assert counting.answered == ["one", "two"]
    out = [json.loads(line) for line in io.StringIO(Path("b.jsonl").read_text())]
    assert [row["text_de"] for row in out] == [row["text"].upper() for row in out]


def test_the_dictionary_keeps_what_was_asked_for_last_within_its_bounds() -> None:
    dictionary = TextDictionary(most_texts=8, most_bytes=2000)
    for number in range(100):
        text = f"text {number} \ud800"
        result = CellTranslation(f"Satz {number} ü\udc00", -number / 3, "en", ("a warning",))
        dictionary.finish(dictionary.add(text), result)
        found = dictionary.find(text)
        assert found and found.result == result and found.text == text
        assert dictionary.find("text 0 \ud800"), "asked for again and again"
    sizes = len(dictionary._recent), len(dictionary._older)
    assert 4 <= sum(sizes) <= 8
    assert all(dictionary.find(f"text {number} \ud800") for number in (99, 98, 97))
    assert not dictionary.find("text 50 \ud800")
    for text in ("long", "longer"):
        dictionary.finish(dictionary.add(text), CellTranslation("x" * 3000))
    assert not dictionary.find("text 98 \ud800")
