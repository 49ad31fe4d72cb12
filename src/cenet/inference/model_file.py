"""What an exported model's file says of itself, read without any engine, and the checksum that ends it.

An ONNX file is a message of Protocol Buffers, to which metadata can be added by appending bytes; an OpenVINO file is
XML, in which a comment may follow the last element. So both end with the SHA-256 of all that comes before.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cenet.config.json_files import read_regular_file
from cenet.errors import CenetError

ONNX, OPENVINO = ".onnx", ".xml"
SUFFIXES = (ONNX, OPENVINO)
KEY, CHECKSUM_KEY = "cenet", "cenet-sha256"
MAX_BYTES = 2**31  # of a message of Protocol Buffers
METADATA_FIELD = 14  # `metadata_props` of an ONNX model: entries of key (1) and value (2)
GRAPH_REMEDY = "copy it again, or export it again with `cenet export`"


def is_model_file(path: Path | str) -> bool:
    """Whether a path has the name of an exported model's file.

    >>> is_model_file("models/vessels.onnx"), is_model_file("runs/vessels")
    (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


def seal_onnx(graph: bytes, description: str) -> bytes:
    """Return an ONNX file with a description, and a checksum at its end.

    Args:
        graph: The file without them.
        description: JSON.
    """
    body = graph + _encode_entry(KEY, description)
    return body + _encode_entry(CHECKSUM_KEY, hashlib.sha256(body).hexdigest())


def seal_xml(text: bytes) -> bytes:
    """Return an OpenVINO file, whose description it holds already, with a checksum at its end."""
    return text + _format_comment(text)


def read_description(path: Path) -> str:
    """Return the description in an exported model's file, whose checksum is compared.

    Args:
        path: An ONNX or OpenVINO file.

    Raises:
        CenetError: It cannot be read, is damaged, or `cenet export` did not write it.
    """
    content = read_regular_file(path, remedy=GRAPH_REMEDY, max_bytes=MAX_BYTES)
    is_onnx = path.suffix.lower() == ONNX
    ending = _encode_entry(CHECKSUM_KEY, "0" * 64) if is_onnx else _format_comment(b"")
    body, end = content[: -len(ending)], content[-len(ending) :]
    expected = _encode_entry(CHECKSUM_KEY, hashlib.sha256(body).hexdigest()) if is_onnx else _format_comment(body)
    if end != expected:
        cause = "is damaged, or was not written by `cenet export`: it does not end with the checksum of its content"
        raise CenetError(path, cause, GRAPH_REMEDY)
    try:
        description = dict(_read_entries(body)).get(KEY) if is_onnx else _read_xml(body)
    except (ValueError, IndexError, ElementTree.ParseError) as error:
        raise CenetError(path, "cannot be read as a model", GRAPH_REMEDY) from error
    if description is None:
        raise CenetError(path, "holds no description by `cenet export`", "export the run with `cenet export`")
    return description


def _read_xml(body: bytes) -> str | None:
    element = ElementTree.fromstring(body).find(f"rt_info/{KEY}")  # its checksum is compared before
    return None if element is None else element.get("value")


def _format_comment(body: bytes) -> bytes:
    return f"<!-- {CHECKSUM_KEY} {hashlib.sha256(body).hexdigest()} -->\n".encode()


def _encode_entry(key: str, value: str) -> bytes:
    """An entry of `metadata_props`, as Protocol Buffers write it."""
    entry = b"".join(_encode_bytes(number, text.encode()) for number, text in ((1, key), (2, value)))
    return _encode_bytes(METADATA_FIELD, entry)


def _encode_bytes(field: int, content: bytes) -> bytes:
    return _encode_number(field << 3 | 2) + _encode_number(len(content)) + content


def _encode_number(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _read_entries(message: bytes) -> Iterator[tuple[str, str]]:
    for field, content in _read_fields(message):
        if field == METADATA_FIELD:
            texts = {number: text.decode() for number, text in _read_fields(content)}
            yield texts.get(1, ""), texts.get(2, "")


def _read_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that are bytes, text or messages; numbers are passed over.

    >>> list(_read_fields(_encode_number(1 << 3) + _encode_number(300) + _encode_bytes(2, b"text")))
    [(2, b'text')]
    """
    start = 0
    while start < len(message):
        tag, start = _read_number(message, start)
        kind = tag & 7
        if kind == 0:
            _, start = _read_number(message, start)
        elif kind == 2:
            length, start = _read_number(message, start)
            yield tag >> 3, message[start : start + length]
            start += length
        elif kind in (1, 5):
            start += 8 if kind == 1 else 4
        else:
            raise ValueError(f"there is no kind {kind} of fields")


def _read_number(message: bytes, start: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        digit = message[start]
        number, shift, start = number | (digit & 127) << shift, shift + 7, start + 1
        if digit < 128:
            return number, start
