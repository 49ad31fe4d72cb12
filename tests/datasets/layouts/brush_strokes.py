"""What the brush of Label Studio stores."""

import numpy as np


def pack_brush(mask):
    """A mask as blocks that repeat a value, and blocks that list values."""
    values = np.repeat(np.where(mask.ravel(), 255, 0), 4).astype(np.uint8)
    sizes = (3, 4, 8, 16)
    bits = f"{values.size:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    position = 0
    while position < values.size:
        run = 1
        while position + run < values.size and values[position + run] == values[position] and run < 2**16:
            run += 1
        if run >= 4:
            index = next(number for number, size in enumerate(sizes) if run <= 2**size)
            bits += f"1{index:02b}{run - 1:0{sizes[index]}b}{values[position]:08b}"
        else:
            run = min(3, values.size - position)
            bits += f"000{run - 1:03b}" + "".join(f"{value:08b}" for value in values[position : position + run])
        position += run
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
