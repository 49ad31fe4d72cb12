"""`cenet doctor`: every trouble of a set of images, told before anything is trained on it."""

import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.config.presets import default_recipe
from cenet.data.io.files import atomic_write, check_writable
from cenet.data.io.read import IMAGE_SUFFIXES, page_count
from cenet.data.io.write import class_colours, overlay
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.datasets.registry import TASKS
from cenet.doctor.checks import (
    ExaminedSample,
    Finding,
    check_duplicates,
    check_groups,
    check_images,
    check_labels,
    check_split,
    collect_findings,
    detect_label_encoding,
    examine_sample,
    relative_name,
)
from cenet.doctor.contact_sheet import ContactSheetTile, contact_sheet, printable_ascii
from cenet.errors import CenetError

LISTED = 20  # findings of one kind that `format_diagnosis` lists
TILES = 24  # images on the contact sheet
_IN_IMAGES = re.compile("(^|/)images", re.IGNORECASE)  # of nnU-Net imagesTr, of Drishti-GS1 Images


@dataclass(frozen=True)
class Diagnosis:
    """What `examine` found.

    Args:
        findings: All troubles, the errors first.
        facts: What there is, as `doctor.json` holds it.
        folder: Where the report was written.
    """

    findings: tuple[Finding, ...]
    facts: dict[str, Any]
    folder: Path | None = None

    @property
    def errors(self) -> int:
        """How many findings are errors.

        >>> Diagnosis((), {}).errors
        0
        """
        return sum(finding.severity == "error" for finding in self.findings)


def examine(
    folder: Path,
    *,
    task: str = "folder",
    num_classes: int | None = None,
    nested: bool | None = None,
    ignore_value: int | None = None,
    group_pattern: str | None = None,
    splits: Path | None = None,
    output: Path | None = None,
) -> Diagnosis:
    """Read every image, label and region once and list all that is wrong with them; bad data raise nothing.

    Args:
        folder: The images, laid out as the task says.
        task: Their layout, see `cenet.datasets.registry.TASKS`.
        num_classes: 1 for one foreground; otherwise the classes with the background; None as the task's recipe has it.
        nested: Class k lies inside class k-1; None as the task's recipe has it.
        ignore_value: The label value of pixels that nobody drew.
        group_pattern: A pattern that finds the group in an image's name.
        splits: A `splits.json` to check against these images.
        output: A folder to write `doctor.json`, `doctor.md` and `contact-sheet.png` into.

    Raises:
        CenetError: The output cannot be written, or the number of classes is impossible.

    >>> diagnosis = examine(Path("nowhere"))
    >>> diagnosis.errors, str(diagnosis.findings[0])
    (1, 'error    nowhere: there is no such folder; check the name')
    """
    recipe = default_recipe(task)
    num_classes = recipe.num_classes if num_classes is None else num_classes
    nested = recipe.nested and num_classes > 2 if nested is None else nested
    if not (3 if nested else 1) <= num_classes <= IGNORED:
        rule = f"count the background too, from {3 if nested else 2} to {IGNORED}{', or give 1' * (not nested)}"
        raise CenetError(f"--num-classes {num_classes}", f"that many{' nested' * nested} classes cannot be", rule)
    if output is not None:
        check_writable(output)
    found: list[Finding] = []
    samples: list[Sample] = []
    with collect_findings(found):
        samples = TASKS[task].read(folder, group_pattern=group_pattern)
    listed = not found
    if not listed:  # go on with what there is
        samples = [Sample(path.stem, path) for path in _images_below(folder)]
    names = TASKS[task].classes
    labels, unreadable = detect_label_encoding(
        task,
        samples,
        found,
        num_classes=num_classes,
        nested=nested,
        ignore_value=ignore_value,
        names=names,
        folder=folder,
    )
    looks = [
        examine_sample(sample, None if sample in unreadable else labels, found)
        for sample in tqdm(samples, desc="examining", unit="image", disable=len(samples) < 2)
    ]
    seen = [each for each in looks if each]
    found += check_duplicates(seen)
    if listed:  # else some of these may be labels
        found += [
            *check_images(seen),
            *check_labels(folder, samples, seen, labels),
            *check_groups(folder, samples, seen),
        ]
    if listed and splits is not None:
        with collect_findings(found):
            found += check_split(splits, samples, seen)
    told = dict.fromkeys(replace(f, file=_within(folder, f.file), what=_within(folder, f.what)) for f in found)
    facts = {
        "data": folder.resolve().name,
        "task": task,
        "images": len(samples),
        "readable": len(seen),
        "groups": len({sample.group for sample in samples}) if listed else None,
        "grouping": f"by --group-pattern {group_pattern}" if group_pattern else TASKS[task].grouping,
        "sizes": dict(Counter(f"{each.size[1]} x {each.size[0]}" for each in seen)),
        "values": dict(Counter(each.kind for each in seen)),
        "labelled": sum(bool(sample.label) for sample in samples),
        "labels": labels.describe() if labels else None,
        "classes": _shares(seen, labels),
        "region_share": _region_share(seen),
        "columns_left_out": sum(each.left_out for each in seen),
    }
    diagnosis = Diagnosis(tuple(sorted(told, key=lambda f: f.severity)), facts, output)
    if output is not None:
        _write(output, diagnosis, folder, samples, labels)
    return diagnosis


def format_diagnosis(diagnosis: Diagnosis) -> str:
    """A diagnosis for a terminal: the facts, each finding in a line, and the sum.

    >>> finding = Finding("warning", "masks/1.png", "nothing is drawn in it", "check it")
    >>> print(format_diagnosis(Diagnosis((finding,), {})))
    warning  masks/1.png: nothing is drawn in it; check it
    <BLANKLINE>
    no errors, 1 warning: this can be trained on
    a contact sheet of the images with their labels: add --output DIR
    """
    lines = [printable_ascii(f"{name:8} {text}") for name, text in _told(diagnosis.facts)]
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in diagnosis.findings:
        kinds[finding.severity, finding.remedy].append(finding)
    lines += [""] * bool(lines)
    for (severity, remedy), alike in kinds.items():
        lines += [str(finding) for finding in alike[:LISTED]]
        if len(alike) > LISTED:
            lines.append(printable_ascii(f"{severity:8} and {len(alike) - LISTED} more; {remedy}"))
    where = (
        f"report: {diagnosis.folder}"
        if diagnosis.folder
        else ("a contact sheet of the images with their labels: add --output DIR")
    )
    return "\n".join([*lines, *[""] * bool(kinds), _sum(diagnosis), where])


def _images_below(folder: Path) -> list[Path]:
    """What may be an image where the reader gave up: all files in folders of images, or else all but stacks."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    files = [path for path in files if not _is_stack(path)]
    return [path for path in files if _IN_IMAGES.search(path.relative_to(folder).parent.as_posix())] or files


def _is_stack(path: Path) -> bool:
    with suppress(CenetError, OSError):
        return path.suffix.lower() in (".tif", ".tiff") and page_count(path) > 1
    return False  # it is told what is wrong with it


# Telling ------------------------------------------------------------------------------------------------------------


def _shares(seen: Sequence[ExaminedSample], labels: LabelEncoding | None) -> dict[str, dict[str, float]]:
    """Of each class the share of the pixels that count, and in how many images it occurs."""
    read_well = [each for each in seen if each.pixels]
    total = sum(each.counted for each in read_well)
    return {
        name: {
            "share": sum(each.pixels[number] for each in read_well) / max(total, 1),
            "images": sum(each.pixels[number] > 0 for each in read_well),
        }
        for number, name in enumerate(labels.names if labels else ())
    }


def _region_share(seen: Sequence[ExaminedSample]) -> float | None:
    with_region = [each for each in seen if each.sample.region or each.sample.fundus]
    total = sum(each.size[0] * each.size[1] for each in with_region)
    return sum(each.inside for each in with_region) / total if with_region else None


def _within(folder: Path, text: str) -> str:
    """Name files as seen from the folder."""
    return re.sub(rf"(?<![\w./-]){re.escape(str(folder))}/", "", text) if str(folder) != "/" else text


def _told(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts in words."""
    if not facts:
        return []
    told = [("images", f"{facts['readable']} of {facts['images']} can be read, {facts['labelled']} have labels")]
    if facts["groups"] is not None:
        told.append(("groups", f"{facts['groups']}: {facts['grouping']}"))
    for key, name, unit in (("sizes", "sizes", " px"), ("values", "values", "")):
        if counts := facts[key]:
            common = sorted(counts, key=lambda kind: -counts[kind])
            shown = ", ".join(f"{kind}{unit}" + f" ({counts[kind]})" * (len(counts) > 1) for kind in common[:4])
            told.append((name, shown + f" and {len(common) - 4} others" * (len(common) > 4)))
    if facts["labels"]:
        told.append(("labels", facts["labels"]))
    of = " inside the regions" * (facts["region_share"] is not None)
    for name, each in facts["classes"].items():
        images = f"{each['images']} image{'s' * (each['images'] != 1)}"
        told.append(("class", f"{name}: {each['share']:.3%} of the pixels{of}, in {images}"))
    if facts["region_share"] is not None:
        told.append(("regions", f"{facts['region_share']:.1%} of the pixels count"))
    if facts["columns_left_out"]:
        told.append(("columns", f"{facts['columns_left_out']} in which nobody drew, so they count for nothing"))
    return told


def _sum(diagnosis: Diagnosis) -> str:
    warnings = len(diagnosis.findings) - diagnosis.errors
    counts = [
        f"{count or 'no'} {name}{'s' * (count != 1)}"
        for count, name in ((diagnosis.errors, "error"), (warnings, "warning"))
    ]
    end = "mend the errors before training" if diagnosis.errors else "this can be trained on"
    return f"{', '.join(counts)}: {end}"


def _write(
    output: Path, diagnosis: Diagnosis, folder: Path, samples: Sequence[Sample], labels: LabelEncoding | None
) -> None:
    from PIL import Image

    content = {"format": 1, "facts": diagnosis.facts, "findings": [asdict(finding) for finding in diagnosis.findings]}
    sheet = io.BytesIO()
    Image.fromarray(_sheet(diagnosis, folder, samples, labels)).save(sheet, "PNG")
    for name, written in (
        ("doctor.json", json.dumps(content, indent=1).encode()),
        ("doctor.md", _markdown(diagnosis).encode()),
        ("contact-sheet.png", sheet.getvalue()),
    ):
        with atomic_write(output / name) as file:
            file.write(written)


def _markdown(diagnosis: Diagnosis) -> str:
    def plain(text: str) -> str:
        return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", printable_ascii(text))

    lines = [f"# {plain(diagnosis.facts['data'])}", "", _sum(diagnosis), ""]
    lines += [f"- {name}: {plain(text)}" for name, text in _told(diagnosis.facts)]
    if diagnosis.findings:
        lines += ["", "| | file | what | what to do |", "|---|---|---|---|"]
    for finding in diagnosis.findings:
        lines.append(
            f"| {finding.severity} | {plain(finding.file)} | {plain(finding.what)} | {plain(finding.remedy)} |"
        )
    return "\n".join([*lines, "", "![The images with their labels](contact-sheet.png)", ""])


def _sheet(
    diagnosis: Diagnosis, folder: Path, samples: Sequence[Sample], labels: LabelEncoding | None
) -> NDArray[np.uint8]:
    """Images with their labels: those with findings first, the others evenly from the whole set."""
    remarks: dict[Path, str] = {}
    for finding in diagnosis.findings:
        remarks.setdefault(folder / finding.file, finding.what)
    remark_of = {sample: next((remarks[path] for path in _files(sample) if path in remarks), "") for sample in samples}
    odd = [sample for sample in samples if remark_of[sample]][:TILES]
    sound = [sample for sample in samples if not remark_of[sample]]
    places = np.linspace(0, len(sound) - 1, min(TILES - len(odd), len(sound))).round().astype(int)
    tiles = [
        ContactSheetTile(sample.name, _drawn(sample, labels), remark_of[sample])
        for sample in [*odd, *[sound[at] for at in places]]
    ]
    names = labels.names if labels else ()
    colours = class_colours(len(names) + 1, labels.colours if labels else ())[1:].tolist()
    title = f"{diagnosis.facts['data']}: {len(tiles)} of {len(samples)} images; {_sum(diagnosis)}"
    return contact_sheet(tiles, title=title, legend=list(zip(names, colours, strict=True)))


def _files(sample: Sample) -> list[Path]:
    """What findings call the files of a sample."""
    paths = [sample.image, *sample.channels, *sample.label, *([sample.region] if sample.region else [])]
    return [*(Path(relative_name(sample, path)) for path in paths), *paths]


def _drawn(sample: Sample, labels: LabelEncoding | None) -> NDArray[np.uint8] | None:
    """An image with its label over it, dark where pixels do not count; None where it cannot be read."""
    ignored: list[Finding] = []  # they have been told
    with collect_findings(ignored):
        image = load_sample(replace(sample, label=(), region=None, fundus=False))[0]
        label = np.zeros(image.shape[:2], np.uint8)
        counts = np.ones(image.shape[:2], bool)
        with collect_findings(ignored):
            _, read_label_, region = load_sample(sample, labels)
            label = label if read_label_ is None else read_label_
            counts = (label != IGNORED) & (True if region is None else region)
        picture = overlay(image, np.where(label == IGNORED, 0, label), colours=labels.colours if labels else ())
        return np.where(counts[..., None], picture, picture // 2)
    return None
