"""What may be wrong with a set of images: each trouble with the file, what it is, and what to do."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import check_usable, fingerprint, read_label, read_rows
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.labels.layer_order import ROWS
from cenet.data.loading import OFFSET, has_hounsfield_offset, load_region, load_sample
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split
from cenet.datasets.folder import format_list
from cenet.datasets.registry import label_encoding_for
from cenet.doctor.contact_sheet import printable_ascii
from cenet.errors import CenetError

FEW_GROUPS = 5
MAX_ODD = 5  # labels that are set aside until the others make sense together
UNUSUAL = 4  # times brighter or darker than the others


@dataclass(frozen=True)
class Finding:
    """One trouble: an error stops training or spoils its score, a warning may be meant so.

    >>> print(Finding("error", "masks/eye.png", "the file is empty", "copy it again"))
    error    masks/eye.png: the file is empty; copy it again
    """

    severity: Literal["error", "warning"]
    file: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return printable_ascii(f"{self.severity:8} {self.file}: {self.what}; {self.remedy}")


@dataclass(frozen=True)
class ExaminedSample:
    """What is kept of a sample when its files have been read."""

    sample: Sample
    size: tuple[int, int]  # height and width
    kind: str
    level: float
    picture: str
    drawn: str | None = None  # the fingerprint of its label
    inside: int = 0  # pixels in its region
    counted: int = 0  # pixels in its region where somebody drew
    pixels: tuple[int, ...] = ()  # how many of these each foreground class has
    left_out: int = 0  # columns in which nobody drew


@contextmanager
def collect_findings(found: list[Finding]) -> Iterator[None]:
    """Turn what the user can mend into a finding.

    >>> found = []
    >>> with collect_findings(found):
    ...     raise CenetError("eye.png", "the file is empty", "copy it again")
    >>> found
    [Finding(severity='error', file='eye.png', what='the file is empty', remedy='copy it again')]
    """
    try:
        yield
    except CenetError as error:
        found.append(Finding("error", error.subject, error.cause, error.remedy))
    except OSError as error:
        found.append(Finding("error", str(error.filename), str(error.strerror), "check place and permissions"))


def detect_label_encoding(
    task: str, samples: Sequence[Sample], found: list[Finding], **how: Any
) -> tuple[LabelEncoding | None, set[Sample]]:
    """How the labels of a task are read, and the samples whose labels cannot be read so, each with a finding."""
    labelled = [sample for sample in samples if sample.label]
    with suppress(CenetError, OSError):
        return label_encoding_for(task, labelled, **how), set()
    usable = []
    for sample in labelled:
        before = len(found)
        for path in sample.label:
            with collect_findings(found):
                if path.suffix == ROWS:
                    read_rows(path)
                else:
                    read_label(path, page=sample.page)
        usable += [sample] * (len(found) == before)
    odd: list[Finding] = []  # files that do not go with the others
    while 2 * len(usable) > len(labelled) and len(odd) < MAX_ODD:
        with collect_findings(odd):
            labels = label_encoding_for(task, usable, **how)
            found += odd
            return labels, set(labelled) - set(usable)
        usable = [sample for sample in usable if odd[-1].file not in map(str, sample.label)]
    found += odd[:1]
    return None, set(labelled)


def examine_sample(sample: Sample, labels: LabelEncoding | None, found: list[Finding]) -> ExaminedSample | None:
    """Read the files of a sample."""
    image: NDArray[Any] | None = None
    label: NDArray[np.uint8] | None = None
    region: NDArray[np.bool_] | None = None
    with collect_findings(found):
        image = load_sample(replace(sample, label=(), region=None, fundus=False))[0]
    with collect_findings(found):
        label = labels.read(sample) if labels and sample.label else None
    if image is None:
        return None
    with collect_findings(found):
        region = load_region(sample, image)
    size = image.shape[:2]
    if label is not None and label.shape != size:
        what = f"its size is {label.shape[1]} x {label.shape[0]} px but the image has {size[1]} x {size[0]}"
        found.append(Finding("error", str(sample.label[0]), what, "use the file that was drawn on this image"))
    with collect_findings(found):
        check_usable(image, name=relative_name(sample))
    if has_hounsfield_offset(sample, image):
        what = f"its values, {image.min()} to {image.max()}, look like Hounsfield units + {OFFSET}, taken as windowed"
        remedy = f"subtract {OFFSET} and save as int16 or float TIFF, or window it to 8 bit"
        found.append(Finding("warning", relative_name(sample), what, remedy))
    kind = f"{image.shape[2]} channel{'s' * (image.shape[2] > 1)} of {image.dtype}"
    inside = np.ones(size, bool) if region is None else region
    seen = ExaminedSample(sample, size, kind, float(image.mean()), fingerprint(image), inside=int(inside.sum()))
    if label is None or labels is None or label.shape != size:
        return seen
    counted = label[inside & (label != IGNORED)]
    pixels = [int((counted >= k if labels.nested else counted == k).sum()) for k in range(1, len(labels.names) + 1)]
    left_out = int((label == IGNORED).all(axis=0).sum())
    return replace(seen, drawn=fingerprint(label), counted=counted.size, pixels=tuple(pixels), left_out=left_out)


def relative_name(sample: Sample, path: Path | None = None) -> str:
    """Where a file of a sample, or its image, is found: in a stack with its slice.

    >>> relative_name(Sample("slice-07", Path("train-volume.tif"), page=7))
    'train-volume.tif, slice 7'
    """
    return str(path or sample.image) + ("" if sample.page is None else f", slice {sample.page}")


def check_images(seen: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Channels, sizes and brightness that differ from the others'."""
    if not seen:
        return
    usual, count = Counter(each.kind for each in seen).most_common(1)[0]
    for each in seen:
        if each.kind != usual:
            what = f"it has {each.kind} where {count} of {len(seen)} images have {usual}"
            yield Finding("error", relative_name(each.sample), what, "save all images with the same channels and type")
    longest = [max(each.size) for each in seen]
    small, large = seen[int(np.argmin(longest))], seen[int(np.argmax(longest))]
    if max(longest) > 2 * min(longest):
        what = f"it has {_size(large)} where {relative_name(small.sample)} has {_size(small)}"
        remedy = "if one millimetre has another number of pixels in them, resize them to the same scale"
        yield Finding("warning", relative_name(large.sample), what, remedy)
    middle = float(np.median([each.level for each in seen]))
    for each in seen:
        times = each.level / middle if middle > 0 else 1.0
        if not 1 / UNUSUAL <= times <= UNUSUAL:
            what = f"its mean value is {each.level:.3g} where the median of the images is {middle:.3g}"
            yield Finding("warning", relative_name(each.sample), what, "check that it was exported as the others were")


def check_duplicates(seen: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """The same pixels under two names."""
    first: dict[str, ExaminedSample] = {}
    for each in seen:
        one = first.setdefault(each.picture, each)
        if one is each:
            continue
        what = f"it is the same picture as {relative_name(one.sample)}"
        apart = each.sample.group != one.sample.group
        if apart:
            what += " in another group, so they may fall on both sides of a split"
        if each.drawn != one.drawn:
            what += ", and their labels differ"
        remedy = "remove one, or give them one group with --group-pattern" if apart else "it counts twice; remove one"
        yield Finding("error" if apart else "warning", relative_name(each.sample), what, remedy)


def check_labels(
    folder: Path, samples: Sequence[Sample], seen: Sequence[ExaminedSample], labels: LabelEncoding | None
) -> Iterator[Finding]:
    """Labels that are missing, empty or full, and classes that are rare."""
    if not any(sample.label for sample in samples):
        yield Finding("error", str(folder), "no image has a label", "put a label for each image into masks/")
        return
    for sample in samples:
        if not sample.label:
            remedy = "draw one, or remove the image: training needs a label for each"
            yield Finding("error", str(sample.image), "it has no label", remedy)
    read_well = [each for each in seen if each.pixels]
    if read_well and not any(sum(each.pixels) for each in read_well):
        yield Finding(
            "error", str(folder), "every label is empty where pixels count", "draw labels, or mend the regions"
        )
        return
    for each in read_well:
        label = relative_name(each.sample, each.sample.label[0])
        if not each.counted:
            remedy = "check label and region"
            yield Finding("warning", label, "no pixel is both drawn and inside the region, so none counts", remedy)
        elif not any(each.pixels):
            yield Finding("warning", label, "nothing is drawn in it where pixels count", "check that nothing is there")
        elif each.pixels[0] == each.counted:
            yield Finding("warning", label, "all of it is foreground", "check that it is not inverted")
    for number, name in enumerate(labels.names if labels and read_well else ()):
        groups = {each.sample.group for each in read_well if each.pixels[number]}
        if len(groups) < len(PARTS):
            what = f"{name} occurs in {len(groups)} group{'s' * (len(groups) != 1)}"
            remedy = "training, validation and test cannot all have it; draw it in more images"
            yield Finding("warning", str(folder), what, remedy)


def check_groups(folder: Path, samples: Sequence[Sample], seen: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Too few groups to divide."""
    readable = {each.sample for each in seen}
    count = len({sample.group for sample in samples if sample in readable and sample.label})
    what = f"the images with labels make {count} group{'s' * (count != 1)}"
    if count < len(PARTS):
        remedy = "training, validation and test need one each; add images, or group them otherwise with --group-pattern"
        yield Finding("error", str(folder), what, remedy)
    elif count < FEW_GROUPS:
        remedy = "a split of so few says little; add images, or group them otherwise with --group-pattern"
        yield Finding("warning", str(folder), what, remedy)


def check_split(path: Path, samples: Sequence[Sample], seen: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """A split that does not fit these images."""
    split = Split.from_json(path)
    group_of = {sample.name: sample.group for sample in samples}
    picture_of = {each.sample.name: each.picture for each in seen}
    part_of = {name: part for part, names in split.parts.items() for name in names}
    for name in part_of:
        if name not in group_of:
            remedy = "name the folder that it was made of, or make a new split"
            yield Finding("error", str(path), f"{name} is not among these images", remedy)
        elif picture_of.get(name, split.fingerprints[name]) != split.fingerprints[name]:
            remedy = "bring the image back as it was, or make a new split"
            yield Finding("error", str(path), f"{name} has other pixels than when the split was made", remedy)
    parts_of_group: dict[str, dict[str, None]] = defaultdict(dict)
    for name, part in part_of.items():
        parts_of_group[group_of.get(name, split.groups[name])][part] = None
    for group, parts in parts_of_group.items():
        if len(parts) > 1:
            what = f"the group {group} is on both sides, in {' and in '.join(parts)}"
            yield Finding("error", str(path), what, "keep every group on one side, in a new split")
    if left_out := [sample.name for sample in samples if sample.name not in part_of]:
        what = f"{format_list(left_out)} of these images stand in no part"
        yield Finding("warning", str(path), what, "they are not used; make a new split to use them")


def _size(seen: ExaminedSample) -> str:
    return f"{seen.size[1]} x {seen.size[0]} px"
