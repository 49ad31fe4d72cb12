"""JSON comes through one door: whatever lies there, it is a value or one sentence, and nothing waits."""

import os

import pytest
from pydantic import JsonValue, RootModel

from cenet.config.json_files import read_json, read_regular_file
from cenet.errors import CenetError


class Anything(RootModel[JsonValue]):
    pass


def refusal(path, **options):
    with pytest.raises(CenetError) as error:
        read_json(path, Anything, remedy="fix it", **options)
    assert error.value.subject == str(path)
    return error.value.cause


def test_a_value_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "a.json", Anything, remedy="fix it").root == {"a": [1, None]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    assert refusal(tmp_path / "pipe.json") == "it is no regular file"


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="Windows has no devices in folders")  # noqa: PTH110
def test_a_device_is_refused_at_once(tmp_path):
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    assert refusal(tmp_path / "endless.json") == "it is no regular file"


def test_a_large_file_is_refused(tmp_path):
    (tmp_path / "a.json").write_text(f'"{"a" * 98}"')
    assert "larger" in refusal(tmp_path / "a.json", max_bytes=99)
    assert len(read_regular_file(tmp_path / "a.json", remedy="fix it", max_bytes=100)) == 100


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 300 + "]" * 300, "", "{", "\ufffe", '{"a": 1e999999}x'])
def test_what_is_nested_deeply_or_no_json_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert refusal(tmp_path / "a.json")


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    assert refusal(tmp_path / "a\0.json") == "no file can have this name"
