"""Change files at random, the same way for the same number: bits, bytes, lengths, parts, and the tags of a TIFF."""

import random
import struct
import zlib

EDGES = [0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 4095, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
MAX_BYTES = 2**20  # of a mutant
TIFF_STARTS = (b"II*\0", b"MM\0*")


def make_mutant(seeds, number):
    """The name of a seed and the bytes of what it becomes as the mutant of this number."""
    rng = random.Random(number)
    names = list(seeds)
    name = names[number % len(names)]
    content = bytearray(seeds[name])
    for _ in range(rng.choice([1, 1, 1, 1, 2, 4])):
        change = rng.choice([flip_bits, set_bytes, set_bytes, truncate, repeat, delete, splice, change_structure])
        other = seeds[rng.choice(names)]
        content = bytearray(change(content, rng, other)[:MAX_BYTES]) or bytearray(b"\0")
    return name, bytes(content)


def flip_bits(content, rng, other):
    for _ in range(rng.choice([1, 1, 2, 8, 32])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def set_bytes(content, rng, other):
    """Write a number at which programs break; more often than not into the header."""
    size, order = rng.choice([1, 2, 4]), rng.choice(["little", "big"])
    place = rng.randrange(min(len(content), rng.choice([40, 200, 2**20])))
    number = rng.choice(EDGES) % 2 ** (8 * size)
    return content[:place] + number.to_bytes(size, order) + content[place + size :]


def truncate(content, rng, other):
    return content[: rng.randrange(len(content)) + 1]


def repeat(content, rng, other):
    """Repeat a part, such as a scan or a block, up to many times."""
    start, end = cut(content, rng)
    return content[:end] + content[start:end] * rng.choice([1, 2, 10, 1000]) + content[end:]


def delete(content, rng, other):
    start, end = cut(content, rng)
    return content[:start] + content[end:]


def splice(content, rng, other):
    """Put a part of another file in the place of a part."""
    start, end = cut(content, rng)
    first, last = cut(other, rng)
    return content[:start] + other[first:last] + content[end:]


def cut(content, rng):
    start = rng.randrange(len(content))
    return start, min(start + rng.choice([1, 4, 12, 60, 400]), len(content))


def change_structure(content, rng, other):
    """Change what a format's own checks would hide: a chunk with its checksum, a marker's segment, a tag."""
    if content.startswith(b"\x89PNG"):
        return change_chunk(content, rng)
    if content.startswith(b"\xff\xd8"):
        return repeat_segment(content, rng)
    if content.startswith(TIFF_STARTS) and len(content) >= 8:
        return change_tag(content, rng)
    return set_bytes(content, rng, other)


def change_chunk(content, rng):
    """Change bytes of a PNG's chunk, or repeat it, and give it a right checksum."""
    places, place = [], 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        places.append((place, size))
        place += 12 + size
    if not places:
        return content
    place, size = rng.choice(places)
    chunk = content[place + 4 : place + 8 + size]
    for _ in range(rng.choice([1, 2, 4])):
        chunk[rng.randrange(4, len(chunk)) if len(chunk) > 4 else 0] = rng.choice([0, 1, 2, 3, 4, 8, 16, 127, 255])
    whole = struct.pack(">I", size) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content[:place] + whole * rng.choice([1, 1, 1, 2, 50]) + content[place + 12 + size :]


def repeat_segment(content, rng):
    """Repeat or move what lies between two markers of a JPEG."""
    markers = [i for i in range(len(content) - 1) if content[i] == 0xFF and content[i + 1] not in (0, 0xFF)]
    if len(markers) < 2:
        return content
    index = rng.randrange(len(markers) - 1)
    segment = content[markers[index] : markers[index + 1]]
    place = rng.choice(markers)
    return content[:place] + segment * rng.choice([1, 1, 3, 200]) + content[place:]


def change_tag(content, rng):
    """Change code, type, number or value of one tag of a TIFF."""
    order = "<" if content[:1] == b"I" else ">"
    (offset,) = struct.unpack_from(order + "I", content, 4)
    if offset + 2 > len(content):
        return content
    (count,) = struct.unpack_from(order + "H", content, offset)
    place = offset + 2 + 12 * rng.randrange(max(count, 1))
    if place + 12 > len(content):
        return content
    code, kind, number, value = struct.unpack_from(order + "HHII", content, place)
    field = rng.randrange(5)
    if field == 0:
        code = rng.choice(
            [256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 338, 339, 530]
        )
    elif field == 1:
        kind = rng.choice([1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 16])
    elif field == 2:
        number = rng.choice(EDGES)
    elif order == "<" or kind != 3:
        value = rng.choice([*EDGES, *range(10), 32773, 32946, 34925, 50000, 50001, value + 1, max(value - 1, 0)])
    else:
        value = rng.choice([1, 2, 3, 5, 6, 7, 8, 16, 32, 64, 65535]) << 16
    struct.pack_into(order + "HHII", content, place, code, kind, number, value % 2**32)
    return content
