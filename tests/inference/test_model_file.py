"""The description in a model's file is found among fields of every kind, and other fields are ignored."""

import hashlib

import pytest

from cenet.errors import CenetError
from cenet.inference.model_file import CHECKSUM_KEY, read_description, seal_onnx, seal_xml

FIXED = bytes([1 << 3 | 1, *range(8), 2 << 3 | 5, *range(4)])  # numbers of 8 and of 4 bytes


def test_fields_of_fixed_length_are_passed_over(tmp_path):
    (tmp_path / "model.onnx").write_bytes(seal_onnx(FIXED, '{"a": 1}'))
    assert read_description(tmp_path / "model.onnx") == '{"a": 1}'


@pytest.mark.parametrize("graph", [bytes([1 << 3 | 3]), b"\xff", bytes([1 << 3 | 2, 200])], ids=repr)
def test_a_message_that_is_none_is_refused(tmp_path, graph):
    (tmp_path / "model.onnx").write_bytes(seal_onnx(graph, "x" * 200)[: len(graph)])
    with pytest.raises(CenetError):
        read_description(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(seal_onnx(graph, ""))
    with pytest.raises(CenetError) as caught:
        read_description(tmp_path / "model.onnx")
    assert caught.value.subject == str(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("text", "cause"), [(b"<net/>", "holds no description"), (b"<net>", "cannot be read as a model")]
)
def test_a_file_of_openvino_without_a_description_is_refused(tmp_path, text, cause):
    (tmp_path / "model.xml").write_bytes(seal_xml(text))
    with pytest.raises(CenetError, match=cause):
        read_description(tmp_path / "model.xml")


def test_a_description_of_openvino_is_read(tmp_path):
    text = b'<net><rt_info><cenet value="{}"/></rt_info></net>'
    (tmp_path / "model.xml").write_bytes(seal_xml(text))
    assert read_description(tmp_path / "model.xml") == "{}"
    assert CHECKSUM_KEY in seal_xml(text).decode()
    assert hashlib.sha256(text).hexdigest() in seal_xml(text).decode()
