"""Write a TIFF that is too large for the memory, from the top down: in compressed tiles."""

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.files import translate_write_errors

TILE_PX = 512
_IN_MEMORY_BYTES = 2**25  # of compressed tiles; more wait in a file without a name
_CLASSIC_BYTES = 2**32 - 2**26  # more need a BigTIFF


class TiledTiffWriter:
    """Takes the rows of one or several maps from the top down, and writes them as a TIFF of compressed tiles.

    Until all rows are there the compressed tiles wait in a file that has no name, and vanishes with the process.

    Args:
        folder: Where there is space for that file.
        shape: Maps, height and width; each map becomes a page.
        dtype: Of the values.

    >>> import io, tifffile
    >>> writer = TiledTiffWriter(Path("."), (1, 3, 5), np.uint8)
    >>> writer.add(np.arange(10, dtype=np.uint8).reshape(1, 2, 5))
    >>> writer.add(np.full((1, 1, 5), 7, np.uint8))
    >>> file = io.BytesIO()
    >>> writer.write(file)
    >>> _ = file.seek(0)
    >>> tifffile.imread(file).tolist()
    [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [7, 7, 7, 7, 7]]
    >>> writer.close()
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int], dtype: Any) -> None:
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(dtype)
        with translate_write_errors(folder):
            self._waiting = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(folder))  # noqa: SIM115
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(shape[0])]  # of each map, its tiles in order
        self._rows = np.zeros((shape[0], TILE_PX, shape[2]), self.dtype)  # of a row of tiles that is not full yet
        self._filled = self._done = 0

    def add(self, band: NDArray[Any]) -> None:
        """Take the next rows.

        Args:
            band: The rows of all maps (maps, rows, W).

        Raises:
            CenetError: The disk is full.
        """
        while band.shape[1]:
            taken = min(TILE_PX - self._filled, band.shape[1])
            self._rows[:, self._filled : self._filled + taken] = band[:, :taken]
            band, self._filled, self._done = band[:, taken:], self._filled + taken, self._done + taken
            if self._filled == TILE_PX or self._done == self.shape[1]:
                self._compress_tiles()

    def _compress_tiles(self) -> None:
        self._rows[:, self._filled :] = 0
        for places, rows in zip(self._places, self._rows, strict=True):
            for left in range(0, self.shape[2], TILE_PX):
                tile = np.zeros((TILE_PX, TILE_PX), self.dtype)
                part = rows[:, left : left + TILE_PX]
                tile[:, : part.shape[1]] = part
                content = zlib.compress(tile.astype(self.dtype.newbyteorder("<"), copy=False).tobytes(), 6)
                with translate_write_errors(self.folder):
                    places.append((self._waiting.tell(), len(content)))
                    self._waiting.write(content)
        self._filled = 0

    def write(self, file: IO[bytes], *, colours: NDArray[np.uint8] | None = None) -> None:
        """Write the file; all rows must have been added.

        Args:
            file: Open for writing.
            colours: Of the values, (256, 3), which makes them a palette.
        """
        import tifffile

        if self._done != self.shape[1]:
            raise ValueError(f"{self._done} of {self.shape[1]} rows were added")
        with tifffile.TiffWriter(file, byteorder="<", bigtiff=self._waiting.tell() > _CLASSIC_BYTES) as writer:
            for places in self._places:
                writer.write(
                    self._read_tiles(places),
                    shape=self.shape[1:],
                    dtype=self.dtype,
                    tile=(TILE_PX, TILE_PX),
                    compression="zlib",
                    photometric="minisblack" if colours is None else "palette",
                    colormap=None if colours is None else colours.T.astype(np.uint16) * 257,
                    metadata=None,
                )

    def _read_tiles(self, places: list[tuple[int, int]]) -> Iterator[bytes]:
        for place, length in places:
            self._waiting.seek(place)
            yield self._waiting.read(length)

    def close(self) -> None:
        """Let the waiting tiles go."""
        self._waiting.close()
