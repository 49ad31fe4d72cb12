"""Find out in which order the values in maps of layers lie, from top to bottom, or how many boundaries were drawn."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import read_label, read_rows
from cenet.data.labels.detect import MAX_VALUES
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import format_values
from cenet.data.labels.layer_maps import layer_names
from cenet.data.sample import Sample
from cenet.errors import CenetError

ROWS = ".npy"


def detect_layer_encoding(samples: Sequence[Sample], *, ignore_value: float | None = None) -> LabelEncoding | None:
    """Find out how the layers of a set are drawn, by reading every file.

    Of two values in a map, that lies above which in most columns lies above. A value that both the first and the last
    rows show is the outside, above and below.

    Args:
        samples: The set; samples without a label are passed over.
        ignore_value: The value in a map of pixels that nobody drew.

    Returns:
        How to read them; None where they are not one file for each image.

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
        return _rows([sample.label[0] for sample in labelled])
    return _maps(labelled, ignore=() if ignore_value is None else (float(ignore_value),))


def _rows(paths: Sequence[Path]) -> LabelEncoding:
    """Count the boundaries, which are as many in every file."""
    count = len(read_rows(paths[0]))
    for path in paths[1:]:
        if (other := len(read_rows(path))) != count:
            raise CenetError(
                path, f"it has {other} boundaries but {paths[0]} has {count}", "draw the same in all images"
            )
    return LabelEncoding(kind="boundaries", names=layer_names(count))


def _maps(samples: Sequence[Sample], *, ignore: tuple[float, ...]) -> LabelEncoding:
    """Find the order of values over all files, and check that none says otherwise."""
    tops: Counter[float] = Counter()
    bottoms: Counter[float] = Counter()
    above: dict[Path, Counter[tuple[float, float]]] = {}
    values: set[float] = set()
    for sample in samples:
        path = sample.label[0]
        raw = read_label(path, page=sample.page)
        if raw.ndim > 2:
            raise CenetError(path, "the map of layers is coloured", "save a grey value for each layer")
        found = [float(value) for value in np.unique(raw) if value not in ignore]
        if len(found) > MAX_VALUES:
            raise CenetError(path, f"it holds {len(found)} values, as a picture does", "save one value for each layer")
        values.update(found)
        tops.update(value for value in raw[0].tolist() if value not in ignore)
        bottoms.update(value for value in raw[-1].tolist() if value not in ignore)
        above[path] = _above(raw, found)
    top, bottom = (max(ends, key=ends.__getitem__, default=None) for ends in (tops, bottoms))
    outside = [top] if top is not None and top == bottom else []
    order = _ordered(sorted(values - set(outside)), above)
    drawn = [*outside, *order, *outside]
    if len(drawn) < 2 or (len(drawn) == 2 and outside):
        shown = format_values(sorted(values))
        raise CenetError(
            samples[0].label[0], f"this map and all others hold only {shown}", "draw a value for each layer"
        )
    return LabelEncoding(
        kind="layers", names=layer_names(len(drawn) - 1), values=tuple((value,) for value in drawn), ignore=ignore
    )


def _above(raw: NDArray[Any], values: Sequence[float]) -> Counter[tuple[float, float]]:
    """Count the columns in which one value lies above another, in the mean."""
    rows = np.arange(len(raw), dtype=np.float64)
    masks = [raw == value for value in values]
    with np.errstate(invalid="ignore"):  # where a value is absent, its depth is NaN, and compares as False
        depths = [rows @ mask / mask.sum(axis=0) for mask in masks]
    pairs = ((i, j) for i in range(len(values)) for j in range(len(values)) if i != j)
    return Counter({(values[i], values[j]): int((depths[i] < depths[j]).sum()) for i, j in pairs})


def _ordered(values: Sequence[float], above: dict[Path, Counter[tuple[float, float]]]) -> list[float]:
    """Return the values from top to bottom."""
    total = sum(above.values(), Counter())
    lower = {one: [other for other in values if total[one, other] > total[other, one]] for one in values}
    order = sorted(values, key=lambda value: -len(lower[value]))
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if other not in lower[one]:
                told = f"it is unclear which of the values {one:g} and {other:g} lies above the other"
                remedy = "mend the maps, or pass --ignore-value with the value of pixels that nobody drew"
                raise CenetError(next(iter(above)), f"in this map and all others {told}", remedy)
            for path, counts in above.items():
                if counts[other, one] > counts[one, other]:
                    told = f"the value {other:g} lies above {one:g}, but below it in the other maps"
                    raise CenetError(path, told, "save all maps with the same values")
    return order
