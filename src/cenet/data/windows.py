"""Windows that cover an image too large for the network at once, and how their answers become one."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]


@dataclass(frozen=True)
class WindowGrid:
    """Overlapping windows that cover an image, row by row of windows from the top; one, where it is small enough.

    Args:
        height: Of the image as the network sees it, in pixels.
        width: Likewise.
        side: Of a window, in pixels.

    >>> [[(part.start, part.stop) for part in window] for window in WindowGrid(64, 112, side=64)]
    [[(0, 64), (0, 64)], [(0, 64), (48, 112)]]
    """

    height: int
    width: int
    side: int

    def __iter__(self) -> Iterator[Window]:
        for top in window_starts(self.height, self.side):
            for left in window_starts(self.width, self.side):
                yield slice(top, min(top + self.side, self.height)), slice(left, min(left + self.side, self.width))

    def __len__(self) -> int:
        return len(window_starts(self.height, self.side)) * len(window_starts(self.width, self.side))

    @cached_property
    def _taper(self) -> NDArray[np.float32]:
        side = np.minimum(np.arange(self.side) + 1, np.arange(self.side)[::-1] + 1).astype(np.float32)
        return np.minimum(side, self.side / 4)

    def merge(self, answers: Iterator[tuple[Window, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """Join the windows' answers; where windows overlap, the one whose middle is nearer counts more.

        Args:
            answers: Those of all windows, in their order.

        Shape:
            windows of `(K, h, w)` to `(K, height, width)`.
        """
        merged = np.zeros((0, self.height, self.width), np.float32)
        for rows, band in self.merge_bands(answers):
            if not len(merged):
                merged = np.zeros((len(band), self.height, self.width), np.float32)
            merged[:, rows] = band
        return merged

    def merge_bands(
        self, answers: Iterator[tuple[Window, NDArray[np.float32]]]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Join the windows' answers row by row of windows, so that no more than one such row is in memory.

        Where all windows agree on a pixel, their mean is that value to the bit: each answer moves the mean towards
        itself by its share of the weight so far.

        Args:
            answers: Those of all windows, in their order.

        Yields:
            Rows that no later window reaches, and their probabilities, from the top down without gaps.

        Shape:
            windows of `(K, h, w)` to bands of `(K, rows, width)`.
        """
        top, mean, weight = 0, np.zeros((0, 0, self.width), np.float32), np.zeros((0, self.width), np.float32)
        for (rows, columns), answer in answers:
            if rows.start > top:  # a new row of windows: what lies above it is final
                finished = rows.start - top
                yield slice(top, rows.start), mean[:, :finished]
                top, mean, weight = rows.start, mean[:, finished:], weight[finished:]
            missing = rows.stop - top - len(weight)
            if missing > 0:
                below = np.zeros((len(answer), missing, self.width), np.float32)
                mean = np.concatenate([mean, below], axis=1) if len(weight) else below
                weight = np.concatenate([weight, below[0]])
            taper = np.outer(self._taper[: answer.shape[1]], self._taper[: answer.shape[2]])
            weight[:, columns] += taper
            mean[:, :, columns] += (answer - mean[:, :, columns]) * (taper / weight[:, columns])
        yield slice(top, self.height), mean


def window_starts(length: int, window: int) -> list[int]:
    """Evenly spread starts of windows that overlap by a quarter or more.

    >>> window_starts(100, 100), window_starts(150, 100)
    ([0], [0, 50])
    """
    if length <= window:
        return [0]
    count = -(-(length - window) // (window * 3 // 4)) + 1
    return [round(index * (length - window) / (count - 1)) for index in range(count)]
