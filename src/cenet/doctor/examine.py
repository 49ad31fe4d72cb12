"""`cenet doctor`: read a data set once and find every problem before anything is trained on it."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from cenet.config.presets import default_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.outputs import OutputFolder
from cenet.data.io.read import has_image_suffix, page_count
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.labels.schema import read_declaration
from cenet.data.make_splits import find_own_parts, has_own_split
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents
from cenet.datasets.folder import check_folder
from cenet.datasets.resolve import count_task_classes, read_dataset, resolve_dataset
from cenet.datasets.shared_names import note_shared_beginnings
from cenet.doctor.checks import check_duplicates, check_groups, check_images, check_labels, check_split
from cenet.doctor.contact_sheet import (
    ContactSheetTile,
    class_legend,
    draw_contact_sheet,
    save_contact_sheet,
    select_tiles,
)
from cenet.doctor.diagnosis import ClassShare, Diagnosis, Finding, collect_findings
from cenet.doctor.format import diagnosis_content, format_markdown, summarise
from cenet.doctor.samples import ExaminedSample, detect_label_encoding, examine_sample
from cenet.errors import CenetError

SEVERITIES = ("error", "warning", "note")
FILES = JSON, MARKDOWN, SHEET = "doctor.json", "doctor.md", "contact-sheet.png"
_IMAGE_FOLDER = re.compile("(^|/)images", re.IGNORECASE)  # nnU-Net has imagesTr, Drishti-GS1 has Images


def examine(
    folder: Path | str,
    *,
    task: str = "folder",
    num_classes: int | None = None,
    nested: bool | None = None,
    ignore_value: int | None = None,
    group_pattern: str | None = None,
    splits: Path | str | None = None,
    output: Path | str | None = None,
    overwrite: bool = False,
) -> Diagnosis:
    """Read every image, label and region once and find all that is wrong with them.

    Bad data raise nothing; only a folder that does not exist does.

    Args:
        folder: The images, laid out as the task says.
        task: Their layout, see `cenet.datasets.registry.TASKS`.
        num_classes: 1 for one foreground; otherwise the classes with the background; None as the labels show it.
        nested: Class k lies inside class k-1; None as the labels say it, or the task's recipe has it.
        ignore_value: The label value of pixels that are not annotated.
        group_pattern: A pattern that finds the group in an image's name.
        splits: A `splits.json` to check against these images.
        output: A folder to write `doctor.json`, `doctor.md` and `contact-sheet.png` into.
        overwrite: Replace files there that no examination wrote, or that were changed since.

    Raises:
        CenetError: There is no such folder, the output cannot be written or holds files of others, or the number of
            classes is impossible.

    >>> examine("nowhere")
    Traceback (most recent call last):
    cenet.errors.CenetError: nowhere: there is no such folder; check the name
    """
    folder, splits, output = Path(folder), Path(splits) if splits else None, Path(output) if output else None
    check_folder(folder)
    recipe = default_recipe(task)
    if num_classes is not None:
        _check_num_classes(num_classes, nested=bool(nested))
    written = OutputFolder(output, verb="doctor", overwrite=overwrite) if output else None
    if written is not None:
        written.check(FILES)
    findings: list[Finding] = []
    contents = DatasetContents([])
    with collect_findings(findings):
        contents = read_dataset(task, folder, group_pattern=group_pattern)
    layout_read, samples = not findings, contents.samples
    counted = num_classes is None
    num_classes, nested = _choose_classes(
        folder, samples, task, recipe, num_classes=num_classes, nested=nested, ignore_value=ignore_value
    )
    if not layout_read:  # examine at least the images
        samples = [Sample(path.stem, path) for path in _find_images(folder)]
    encoding, unreadable = detect_label_encoding(
        task,
        samples,
        findings,
        num_classes=num_classes,
        nested=nested,
        ignore_value=ignore_value,
        names=resolve_dataset(task).classes,
        folder=folder,
    )
    results = [
        examine_sample(sample, None if sample in unreadable else encoding, findings)
        for sample in tqdm(samples, desc="examining", unit="image", disable=len(samples) < 2)
    ]
    examined = [result for result in results if result is not None]
    if counted and any(sample.class_px for sample in examined):
        findings += _note_classes(folder, recipe, num_classes=num_classes, nested=nested)
    shared_names = note_shared_beginnings(samples, folder) if layout_read else None
    notes = [*contents.notes, *([shared_names] if shared_names else [])]
    findings += [Finding("note", note.subject, note.cause, note.remedy) for note in notes]
    findings += check_duplicates(examined)
    if layout_read:  # otherwise some of these may be labels
        findings += check_images(examined)
        findings += check_labels(folder, samples, examined, encoding)
        findings += check_groups(folder, samples, examined)
        if has_own_split(samples):
            with collect_findings(findings):
                find_own_parts(samples)
        if splits is not None:
            with collect_findings(findings):
                findings += check_split(splits, samples, examined)
    diagnosis = Diagnosis(
        data=folder.resolve().name,
        task=task,
        layout=f"{contents.layout} ({contents.evidence})" if contents.layout else None,
        findings=_tidy_findings(findings, folder),
        images=len(samples),
        readable=len(examined),
        labelled=sum(bool(sample.label) for sample in samples),
        groups=len({sample.group for sample in samples}) if layout_read else None,
        grouping=contents.describe_grouping(resolve_dataset(task).describe_grouping(group_pattern), group_pattern),
        sizes=dict(Counter(f"{sample.shape[1]} x {sample.shape[0]}" for sample in examined)),
        value_types=dict(Counter(sample.value_type for sample in examined)),
        label_encoding=encoding.describe() if encoding else None,
        classes=_measure_classes(examined, encoding),
        region_share=_measure_regions(examined),
        unannotated_columns=sum(sample.unannotated_columns for sample in examined),
        output=output,
    )
    if written is not None:
        tiles = select_tiles(folder, samples, encoding, diagnosis.findings)
        _write_report(written, diagnosis, tiles, class_legend(encoding))
    return diagnosis


def _choose_classes(
    folder: Path,
    samples: Sequence[Sample],
    task: str,
    recipe: Recipe,
    *,
    num_classes: int | None,
    nested: bool | None,
    ignore_value: int | None,
) -> tuple[int, bool]:
    """How many classes there are and whether they are nested: as given, as the labels show it, or as in the recipe."""
    shown_nested = recipe.nested
    if num_classes is None:
        num_classes = recipe.num_classes
        with suppress(CenetError, OSError):  # what is wrong with a label becomes a finding when it is read
            if any(sample.label for sample in samples):
                count = count_task_classes(task, samples, ignore_value=ignore_value, folder=folder)
                num_classes = count.num_classes
                shown_nested = count.nested or (recipe.nested and not read_declaration(folder, samples)[1])
    nested = shown_nested and num_classes > 2 if nested is None else nested
    _check_num_classes(num_classes, nested=nested)
    return num_classes, nested


def _note_classes(folder: Path, recipe: Recipe, *, num_classes: int, nested: bool) -> list[Finding]:
    """Note what a fixed recipe needs that has other classes than are found; a plan counts them itself."""
    if num_classes == recipe.num_classes and nested == recipe.nested:
        return []
    found = "one class is found" if num_classes == 1 else f"{num_classes} classes are found, with the background"
    options = f"--num-classes {num_classes}" + (f" --nested {str(nested).lower()}" if nested != recipe.nested else "")
    return [Finding("note", str(folder), found, f"a planned training counts them too; fixed recipes need {options}")]


def _check_num_classes(num_classes: int, *, nested: bool) -> None:
    subject = f"--num-classes {num_classes}"
    if nested and not 3 <= num_classes <= IGNORED:
        raise CenetError(subject, "that many nested classes cannot be", f"count the background too, 3 to {IGNORED}")
    if not 1 <= num_classes <= IGNORED:
        remedy = f"count the background too, 2 to {IGNORED}, or give 1"
        raise CenetError(subject, "that many classes cannot be", remedy)


def _find_images(folder: Path) -> list[Path]:
    """What may be an image where the layout cannot be read: the files in folders of images, or else all but stacks."""
    files = sorted(path for path in folder.rglob("*") if has_image_suffix(path) and path.name[0] != ".")
    files = [path for path in files if not _is_stack(path)]
    return [path for path in files if _IMAGE_FOLDER.search(path.relative_to(folder).parent.as_posix())] or files


def _is_stack(path: Path) -> bool:
    with suppress(CenetError, OSError):
        return path.suffix.lower() in (".tif", ".tiff") and page_count(path) > 1
    return False  # a damaged file becomes a finding


def _measure_classes(samples: Sequence[ExaminedSample], encoding: LabelEncoding | None) -> tuple[ClassShare, ...]:
    """Of each class the share of the pixels that count, and in how many images it occurs."""
    with_label = [sample for sample in samples if sample.class_px]
    if not with_label:
        return ()
    total = max(sum(sample.annotated_px for sample in with_label), 1)
    shares = []
    for index, name in enumerate(encoding.names if encoding else ()):
        counts = [sample.class_px[index] for sample in with_label]
        shares.append(ClassShare(name, sum(counts) / total, sum(count > 0 for count in counts)))
    return tuple(shares)


def _measure_regions(samples: Sequence[ExaminedSample]) -> float | None:
    """The share of the pixels inside the regions, of the images that have one."""
    with_region = [sample for sample in samples if sample.sample.region or sample.sample.fundus]
    if not with_region:
        return None
    total = sum(sample.shape[0] * sample.shape[1] for sample in with_region)
    return sum(sample.region_px for sample in with_region) / total


def _tidy_findings(findings: Sequence[Finding], folder: Path) -> tuple[Finding, ...]:
    """The findings without repetition, errors first, their files as seen from the folder."""
    if str(folder) != "/":
        prefix = re.compile(rf"(?<![\w./-]){re.escape(str(folder))}/")
        findings = [
            replace(finding, subject=prefix.sub("", finding.subject), cause=prefix.sub("", finding.cause))
            for finding in findings
        ]
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: SEVERITIES.index(finding.severity)))


def _write_report(
    output: OutputFolder, diagnosis: Diagnosis, tiles: Sequence[ContactSheetTile], legend: Sequence[tuple[str, str]]
) -> None:
    title = f"{diagnosis.data}: {len(tiles)} of {diagnosis.images} images; {summarise(diagnosis)}"
    sheet = draw_contact_sheet(tiles, title=title, legend=legend)
    output.write_text(JSON, json.dumps(diagnosis_content(diagnosis), indent=1))
    output.write_text(MARKDOWN, format_markdown(diagnosis))
    with output.open(SHEET) as file:
        save_contact_sheet(file, sheet)
