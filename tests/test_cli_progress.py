"""The bar is for people at a terminal, and never between lines of data."""

import io
import sys

import pytest

from tformer.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdout", "stderr", "data_on_stdout", "shown"),
    [
        pytest.param(io.StringIO(), io.StringIO(), True, False, id="nobody looks"),
        pytest.param(io.StringIO(), Terminal(), True, True, id="data goes elsewhere"),
        pytest.param(Terminal(), Terminal(), True, False, id="data on the same terminal"),
        pytest.param(Terminal(), Terminal(), False, True, id="no data on stdout"),
    ],
)
def test_who_sees_the_bar(
    monkeypatch: pytest.MonkeyPatch,
    stdout: io.StringIO,
    stderr: io.StringIO,
    data_on_stdout: bool,
    shown: bool,
) -> None:
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("translating", 10, data_on_stdout=data_on_stdout) as advance:
        advance(10)
    assert ("translating" in stderr.getvalue()) is shown


def test_the_bar_has_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with progress_bar("translating", 10, data_on_stdout=True) as advance:
        advance(10)
    assert "\x1b[3" not in terminal.getvalue()
