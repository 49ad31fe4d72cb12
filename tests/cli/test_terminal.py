"""What a verb prints is printable, and no encoding of the terminal ends a run."""

import io
import subprocess
import sys

import pytest
from tqdm import tqdm

from cenet.cli.terminal import print_what_encodings_lack, printable_output


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_an_encoding_lacks_is_printed_as_an_escape(monkeypatch, encoding):
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    print_what_encodings_lack()
    print("\u773c \u00b1 0.5")
    output.flush()
    assert output.buffer.getvalue().decode(encoding).startswith("\u773c" if encoding == "utf-8" else r"\u773c ")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_command_prints_all_of_its_lines_in_a_poor_encoding(encoding, tmp_path):
    path = tmp_path / "\u773c\U0001f441.json"
    environment = {"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)}
    code = f"from cenet.cli.main import main; main(['recipes']); main(['recipes', {str(path)!r}])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert b"drive" in done.stdout
    assert rb"\u773c\U0001f441.json" in done.stderr
    assert b"Traceback" not in done.stderr


def test_control_characters_do_not_reach_the_terminal(capsys):
    with printable_output():
        print("report: \x1b[2J\u202egnp\nnext line")
        print("note: a\rb", file=sys.stderr)
    assert capsys.readouterr() == ("report: ?[2J?gnp\nnext line\n", "note: a b\n")


def test_a_progress_bar_returns_to_the_start_of_its_line(capsys):
    with printable_output():
        for _ in tqdm(range(3), desc="examining"):
            pass
    assert "\rexamining: 100%" in capsys.readouterr().err


def test_streams_are_as_before_behind_the_block():
    before = sys.stdout, sys.stderr
    with printable_output():
        assert sys.stdout.encoding == before[0].encoding
        assert sys.stdout.isatty() == before[0].isatty()
    assert (sys.stdout, sys.stderr) == before
