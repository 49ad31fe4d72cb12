"""Run lengths, in which annotation tools store masks: those of COCO, and those of the brush of Label Studio."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITS_OF_COUNT, BITS_OF_WORD, BITS_OF_SIZE = 32, 5, 4  # of the header of a brush stroke
CHANNELS = 4  # a brush stroke is stored as red, green, blue and opacity


def decode_runs(counts: Sequence[int] | NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of run lengths by columns, as COCO stores it: first how many pixels are outside.

    Args:
        counts: The lengths of the runs, outside and inside in turn.
        height: Of the mask, in pixels.
        width: Likewise.

    Shape:
        (height, width).

    Raises:
        ValueError: The runs do not fill the mask exactly.

    >>> decode_runs([1, 2, 3], 2, 3).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    size = height * width
    if any(not 0 <= count <= size for count in counts) or sum(map(int, counts)) != size:
        raise ValueError(f"the run lengths do not fill {width} x {height} pixels")
    lengths = np.asarray(counts, np.int64)
    inside = np.arange(lengths.size) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def encode_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return the run lengths of a mask by columns, as COCO stores them.

    Args:
        mask: (H, W).

    >>> encode_runs(np.array([[False, True, False], [True, False, False]]))
    [1, 2, 3]
    """
    values = np.concatenate([[False], mask.T.ravel(), [False]])
    edges = np.flatnonzero(values[1:] != values[:-1])
    lengths = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return [int(length) for length in (lengths if lengths[-1] or lengths.size == 1 else lengths[:-1])]


def unpack_counts(text: str) -> list[int]:
    """Return the run lengths in a compressed text of COCO.

    Each is a difference to the one but one before it, in digits of five bits; a sixth bit says that more follow.

    Args:
        text: The field `counts`.

    Raises:
        ValueError: The text holds other characters, or ends within a number.

    >>> unpack_counts(pack_counts([6, 1, 40, 1, 5]))
    [6, 1, 40, 1, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 60:
            raise ValueError("the run lengths are no text of COCO")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end within a number")
    return counts


def pack_counts(counts: Sequence[int]) -> str:
    """Return run lengths as the compressed text that COCO stores.

    Args:
        counts: The lengths.

    >>> pack_counts([6, 1, 40, 1, 5])
    '61X10mN'
    """
    text = []
    for index, count in enumerate(counts):
        value = count - (counts[index - 2] if index > 2 else 0)
        more = True
        while more:
            digit = value & 0x1F
            value >>= 5
            more = value != -1 if digit & 0x10 else value != 0
            text.append(chr(48 + (digit | 0x20 if more else digit)))
    return "".join(text)


def decode_brush(stroke: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of a brush stroke of Label Studio: where its opacity is not 0.

    After a header, each block either repeats one value or lists several.

    Args:
        stroke: The numbers of the field `rle`, as bytes.
        height: Of the image, in pixels.
        width: Likewise.

    Shape:
        (height, width).

    Raises:
        ValueError: It is no brush stroke of an image of this size.

    Reference:
        The format of thi.ng/rle-pack, which Label Studio uses.
    """
    bits = _Bits(stroke)
    length = bits.read(BITS_OF_COUNT)
    if length != height * width * CHANNELS:
        raise ValueError(f"the brush stroke does not fill {width} x {height} pixels")
    word = bits.read(BITS_OF_WORD) + 1
    sizes = [bits.read(BITS_OF_SIZE) + 1 for _ in range(4)]
    values = np.zeros(length, np.uint8)
    position = 0
    while position < length:
        repeats = bits.read(1)
        end = position + 1 + bits.read(sizes[bits.read(2)])
        if end > length:
            raise ValueError("the brush stroke is longer than its image")
        if repeats:
            values[position:end] = min(bits.read(word), 255)
        else:
            values[position:end] = [min(bits.read(word), 255) for _ in range(position, end)]
        position = end
    opacity: NDArray[np.bool_] = values.reshape(height, width, CHANNELS)[..., -1] > 0
    return opacity


class _Bits:
    """Reads numbers of any width from bytes, the highest bit first."""

    def __init__(self, content: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in content)
        self._position = 0

    def read(self, width: int) -> int:
        end = self._position + width
        if end > len(self._bits):
            raise ValueError("the brush stroke is cut off")
        number = int(self._bits[self._position : end], 2)
        self._position = end
        return number
