"""Detect the order from top to bottom of the values in maps of layers, or the number of boundaries in rows of them."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import read_label, read_rows
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import MAX_VALUES, format_values
from cenet.data.labels.layer_maps import layer_names
from cenet.data.sample import Sample
from cenet.errors import CenetError

ROWS = ".npy"


def detect_layer_encoding(samples: Sequence[Sample], *, ignore_value: float | None = None) -> LabelEncoding | None:
    """Detect the order of the layers in the label files of a data set, by reading all of them.

    Of two values in a map, one is above the other if it lies above it in most columns. A value in both the first and
    the last rows is the outside, above and below.

    Args:
        samples: The samples; those without a label are skipped.
        ignore_value: The value of unannotated pixels in a map.

    Returns:
        The encoding; None where the labels are not one file for each image.

    Raises:
        CenetError: A file cannot be read or differs from the others, or the order is unclear.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scan.png")
    ...     Image.fromarray(np.array([[0], [2], [1], [0]], np.uint8)).save(path)
    ...     labels = detect_layer_encoding([Sample("scan", path, (path,))])
    >>> labels.describe()
    'layers from top to bottom: 0 -> above, 2 -> layer 1, 1 -> layer 2, 0 -> below; columns without layers -> ignored'
    """
    labelled = [sample for sample in samples if sample.label]
    if not labelled or any(len(sample.label) > 1 or sample.classes for sample in labelled):
        return None
    if labelled[0].label[0].suffix == ROWS:
        return _detect_boundaries([sample.label[0] for sample in labelled])
    return _detect_layers(labelled, ignore=() if ignore_value is None else (float(ignore_value),))


def _detect_boundaries(paths: Sequence[Path]) -> LabelEncoding:
    """Count the boundaries, of which every file must have the same number."""
    count = len(read_rows(paths[0]))
    for path in paths[1:]:
        other_count = len(read_rows(path))
        if other_count != count:
            cause = f"it has {other_count} boundaries, but {paths[0]} has {count}"
            raise CenetError(path, cause, "mark the same boundaries in all images")
    return LabelEncoding(kind="boundaries", names=layer_names(count))


def _detect_layers(samples: Sequence[Sample], *, ignore: tuple[float, ...]) -> LabelEncoding:
    """Find the order of the values over all files, and refuse a file that contradicts it."""
    tops: Counter[float] = Counter()
    bottoms: Counter[float] = Counter()
    above: dict[tuple[Path, int | None], Counter[tuple[float, float]]] = {}
    values: set[float] = set()
    for sample in samples:
        path = sample.label[0]
        raw = read_label(path, page=sample.page)
        if raw.ndim > 2:
            raise CenetError(path, "the map of layers is coloured", "save a grey value for each layer")
        file_values = [float(value) for value in np.unique(raw) if value not in ignore]
        if len(file_values) > MAX_VALUES:
            cause = f"it holds {len(file_values)} values, like a photograph"
            raise CenetError(path, cause, "save one value for each layer")
        values.update(file_values)
        tops.update(value for value in raw[0].tolist() if value not in ignore)
        bottoms.update(value for value in raw[-1].tolist() if value not in ignore)
        above[path, sample.page] = _count_columns_above(raw, file_values)
    top, bottom = (max(ends, key=ends.__getitem__, default=None) for ends in (tops, bottoms))
    outside = [top] if top is not None and top == bottom else []
    order = _sort_from_top(sorted(values - set(outside)), above)
    layers = [*outside, *order, *outside]
    if len(layers) < 2 or (len(layers) == 2 and outside):
        cause = f"this map and all others hold only {format_values(sorted(values))}"
        raise CenetError(samples[0].label[0], cause, "save a value for each layer")
    return LabelEncoding(
        kind="layers", names=layer_names(len(layers) - 1), values=tuple((value,) for value in layers), ignore=ignore
    )


def _count_columns_above(raw: NDArray[Any], values: Sequence[float]) -> Counter[tuple[float, float]]:
    """Count for each pair of values the columns in which the mean row of the first lies above that of the second."""
    rows = np.arange(len(raw), dtype=np.float64)
    masks = [raw == value for value in values]
    with np.errstate(invalid="ignore"):  # where a value is absent, its depth is NaN, and compares as False
        depths = [rows @ mask / mask.sum(axis=0) for mask in masks]
    pairs = ((i, j) for i in range(len(values)) for j in range(len(values)) if i != j)
    return Counter({(values[i], values[j]): int((depths[i] < depths[j]).sum()) for i, j in pairs})


def _sort_from_top(
    values: Sequence[float], above: dict[tuple[Path, int | None], Counter[tuple[float, float]]]
) -> list[float]:
    """Return the values from top to bottom."""
    total = sum(above.values(), Counter())
    lower = {one: [other for other in values if total[one, other] > total[other, one]] for one in values}
    order = sorted(values, key=lambda value: -len(lower[value]))
    for upper, other in combinations(order, 2):
        if other not in lower[upper]:
            cause = f"in this map and all others it is unclear whether {upper:g} or {other:g} is the upper layer"
            remedy = "fix the maps, or pass --ignore-value with the value of unannotated pixels"
            raise CenetError(next(iter(above))[0], cause, remedy)
        for (path, page), counts in above.items():
            if counts[other, upper] > counts[upper, other]:
                where = "" if page is None else f"in slice {page} "
                cause = f"{where}the value {other:g} lies above {upper:g}, but below it in the other maps"
                raise CenetError(path, cause, "save all maps with the same values")
    return order
