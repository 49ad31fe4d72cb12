"""Write TIFF files tag by tag, of kinds that no program writes."""

import struct
import zlib

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 12: 8, 16: 8}  # bytes of a value, by its type
FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 12: "d", 16: "Q"}
SHORT, LONG = 3, 4


def tiff(data, *, width=10, height=10, samples=1, bits=8, compression=1, photometric=1, **changes):
    """The bytes of a TIFF with one strip.

    Args:
        data: The bytes of the strip.
        changes: Other tags as `t256=(type, values)`, or None to leave a tag out.
    """
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * max(samples, 1)),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        273: (LONG, [0]),
        277: (SHORT, [samples]),
        278: (LONG, [height]),
        279: (LONG, [len(data)]),
    }
    tags |= {int(name[1:]): value for name, value in changes.items()}
    tags = {code: tags[code] for code in sorted(tags) if tags[code]}
    values_at = 8 + 2 + 12 * len(tags) + 4
    for final in (False, True):  # the second time the strip's place is known
        entries, values = b"", b""
        for code, (kind, numbers) in tags.items():
            content = struct.pack(f"<{len(numbers)}{FORMS[kind]}", *numbers)
            if len(content) > 4:
                place, values = struct.pack("<I", values_at + len(values)), values + content
            else:
                place = content.ljust(4, b"\0")
            entries += struct.pack("<HHI", code, kind, len(numbers)) + place
        if not final and 273 in tags and tags[273][1] == [0]:
            tags[273] = (LONG, [values_at + len(values)])
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + values + data


def deflated_zeros(size):
    """The bytes that inflate to `size` zeros: one block of 1 MiB, which is repeated."""
    compressor = zlib.compressobj(9, wbits=-15)
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(size, 2**20)
    last = zlib.compressobj(9, wbits=-15)
    checksum = (size % 65521) << 16 | 1
    return b"\x78\xda" + block * whole + last.compress(bytes(rest)) + last.flush() + struct.pack(">I", checksum)
