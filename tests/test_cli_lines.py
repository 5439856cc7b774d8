"""Lines survive: any bytes, any chunks, any failure while writing."""

import gzip
import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.cli import lines
from tformer.cli.lines import Line, decode, read_runs, size_of
from tformer.cli.outputs import open_output
from tformer.documents.io.encoding import looks_binary
from tformer.model.errors import InputError, OutputError

# Everything that some library or other takes for the end of a line, and bytes that are not UTF-8.
ENDS = ["\n", "\r\n", "\r", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "é", "word", " "]
SNIPPETS = st.sampled_from([*(text.encode() for text in ENDS), b"\xff", b"\xc3"])
DATA = st.lists(SNIPPETS | st.binary(max_size=3), max_size=30).map(b"".join)


class Dripping(io.BytesIO):
    """A pipe whose producer writes a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(self._size)


def read_pipe(data: bytes, size: int) -> list[Line]:
    return [decode(raw) for run in lines._arriving(Dripping(data, size)) for raw in run]


def read_file(path: Path) -> list[Line]:
    return [line for run in read_runs(path) for line in run]


@given(DATA, st.integers(1, 10))
def test_a_pipe_has_as_many_lines_as_line_feeds_say(data: bytes, size: int) -> None:
    unfinished = bool(data) and not data.endswith(b"\n")
    assert len(read_pipe(data, size)) == data.count(b"\n") + unfinished


@given(DATA, st.integers(1, 10))
def test_text_and_endings_are_the_input_again(data: bytes, size: int) -> None:
    again = "".join(line.text + line.ending for line in read_pipe(data, size))
    # Replacement happens line by line; a line feed is never part of a longer sequence in UTF-8.
    assert again == data.decode(errors="replace")


def test_a_file_reads_as_a_pipe_does(tmp_path: Path) -> None:
    data = b"one\r\n\ntwo\x0b\x0c\xc2\x85 \xe2\x80\xa8 still two\r and here\n\xff\nlast"
    path = tmp_path / "text"
    path.write_bytes(data)
    expected = [decode(raw + b"\n", size=len(raw) + 1) for raw in data.split(b"\n")[:-1]]
    assert read_file(path) == [*expected, decode(b"last", size=4)]
    assert sum(line.size for line in read_file(path)) == len(data) == size_of([path])


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        pytest.param(b"a\n", Line("a", "\n"), id="line feed"),
        pytest.param(b"a\r\n", Line("a", "\r\n"), id="carriage return and line feed"),
        pytest.param(b"a\r\r\n", Line("a\r", "\r\n"), id="one carriage return is text"),
        pytest.param(b"a", Line("a", ""), id="no ending"),
        pytest.param(b"a\r", Line("a\r", ""), id="lone carriage return is text"),
        pytest.param(b"\n", Line("", "\n"), id="empty"),
        pytest.param(b"a\x00b\n", Line("a\x00b", "\n"), id="NUL"),
        pytest.param(b"a\xffb\n", Line("a\ufffdb", "\n", damaged=True), id="not UTF-8"),
        pytest.param(b"\xed\xa0\x80", Line("\ufffd" * 3, "", damaged=True), id="surrogate"),
    ],
)
def test_one_line(raw: bytes, line: Line) -> None:
    assert decode(raw) == line


def test_a_byte_order_mark_is_dropped_at_the_beginning_only(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")
    assert [line.text for line in read_file(path)] == ["a", "\ufeffb"]


def test_a_line_is_there_before_the_next_is_written() -> None:
    def producer() -> Iterator[bytes]:
        yield b"one\ntw"
        yield b"o\nthree\n"
        raise AssertionError("was asked for more than it needed to give")

    class Slow(io.BytesIO):
        chunks = producer()

        def read1(self, size: int | None = -1, /) -> bytes:
            return next(self.chunks)

    runs = lines._arriving(Slow())
    assert next(runs) == [b"one\n"]
    assert next(runs) == [b"two\n", b"three\n"]


def test_missing_and_unreadable_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such file"):
        lines.check_inputs([tmp_path / "nothing"])
    with pytest.raises(InputError, match="is a folder"):
        lines.check_inputs([tmp_path])


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_a_failure_while_reading_names_the_input() -> None:
    with pytest.raises(InputError, match="/proc/self/mem: cannot be read: Input/output error"):
        read_file(Path("/proc/self/mem"))


def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    assert size_of([lines.STDIN]) is None


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(path) as writer:
        writer.write("ä\n")
        assert not path.exists()
    assert path.read_text("utf-8") == "ä\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), open_output(path) as writer:
        writer.write("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with open_output(link) as writer:
        writer.write("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), open_output(tmp_path / "no" / "x"):
        pass


def test_a_device_is_written_to_directly() -> None:
    with open_output(Path("/dev/null")) as writer:
        writer.write("gone")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("head", "binary"),
    [
        ("Hi".encode("utf-16-le"), True),
        (b"\0\1\2\0", True),
        ("a caf\u00e9\n".encode("latin-1"), False),
        (b"two\n\x00\nlast words of a text\n", False),
    ],
)
def test_many_zero_bytes_are_no_text(head: bytes, binary: bool) -> None:
    assert looks_binary(head) is binary


@pytest.mark.parametrize("spoil", [lambda data: data[:40], lambda data: data[:20] + b"x" * 99])
def test_damaged_compressed_input_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(spoil(gzip.compress(b"".join(b"Dog %d runs.\n" % n for n in range(99)))))
    with pytest.raises(InputError, match="is damaged"):
        read_file(path)
