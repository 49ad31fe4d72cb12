"""Convert a data set of any layout that is read: into a plain folder, or to COCO. Nothing is ever overwritten."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.data.io.files import check_writable, write_text
from cenet.data.io.outputs import to_unicode
from cenet.data.io.pixel_size import PixelSize, read_pixel_size
from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.data.io.write import write_mask
from cenet.data.io.write_volume import tiff_resolution
from cenet.data.labels.drawn import draw_sample_label
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.loading import load_image, load_label, load_region
from cenet.data.sample import Sample
from cenet.data.splits import PARTS
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.conversion_file import CONVERSION, ConversionFile, ConvertedSample
from cenet.datasets.layouts.coco_writer import CocoWriter
from cenet.datasets.layouts.plain_writer import PlainWriter, indices_of, values_of
from cenet.datasets.resolve import count_task_classes, read_dataset, resolve_dataset, resolve_label_encoding
from cenet.errors import CenetError

Target = Literal["plain", "coco"]


@dataclass
class Conversion:
    """What was converted.

    Args:
        output: The new folder.
        layout: The layout of the source.
        evidence: What showed it.
        source_labels: What the values of its labels mean, or that it has none.
        written_labels: The values of the new masks with their classes; None where there are no masks.
        parts: How many images each part of the source's own split has; empty where it has none.
        images: How many images were written.
        masks: How many of them have a mask.
        notes: What was left out, and what was remarkable.
        failures: The images that could not be converted.
    """

    output: Path
    layout: str
    evidence: str
    source_labels: str
    written_labels: dict[int, str] | None
    parts: dict[str, int]
    images: int = 0
    masks: int = 0
    notes: list[Note] = field(default_factory=list)
    failures: list[CenetError] = field(default_factory=list)


class Writer(Protocol):
    """Writes the labels of one form."""

    def add(self, sample: Sample, image_name: str, label: NDArray[np.uint8] | None, shape: tuple[int, int]) -> None:
        """Write the label of an image, which may have none."""

    def finish(self) -> None:
        """Write what is known when all images are there."""


def convert_dataset(
    source: Path | str,
    output: Path | str,
    *,
    task: str = "folder",
    target: Target = "plain",
    num_classes: int | None = None,
    nested: bool | None = None,
    ignore_value: int | None = None,
    objects: bool = False,
    group_pattern: str | None = None,
) -> Conversion:
    """Convert a data set into a plain folder, or to COCO.

    Images are copied as they are; several files of one image, and slices of a stack, become TIFF files. Labels become
    masks whose values `classes.json` names. Groups, and the split that the source has, are kept in `conversion.json`.
    An image that cannot be converted is left out and listed.

    Args:
        source: The folder.
        output: The folder to make; it must not exist, or be empty.
        task: The layout of the source, see `cenet.TASKS`; `folder` recognises it.
        target: What to write.
        num_classes: 1 for one foreground, K with the background; None for what the labels show.
        nested: Whether class k lies inside class k-1; None for what the labels say.
        ignore_value: The label value of unannotated pixels.
        objects: Every value but 0 is an object of one class.
        group_pattern: A pattern that finds the group in an image's name.

    Raises:
        CenetError: The source cannot be read, its labels are ambiguous, or the output exists already.
    """
    source, output = Path(source), Path(output)
    output = output.resolve() if output.is_symlink() else output  # a link to an empty folder stays
    _check_output(source, output)
    contents = read_dataset(task, source, group_pattern=group_pattern)
    samples = contents.samples
    encoding = _find_encoding(
        task, samples, source, num_classes=num_classes, nested=nested, ignore_value=ignore_value, objects=objects
    )
    conversion = Conversion(
        output,
        contents.layout or task,
        contents.evidence,
        encoding.describe() if encoding else "no image has a label",
        None,
        {part: count for part in PARTS if (count := sum(sample.part == part for sample in samples))},
        notes=list(contents.notes),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        writer: Writer = CocoWriter(building, encoding) if target == "coco" else PlainWriter(building, encoding)
        converted = []
        options: dict[str, Any] = {"encoding": encoding, "writer": writer, "conversion": conversion}
        for sample in tqdm(samples, desc="converting", unit="image", disable=len(samples) < 2):
            try:
                converted.append(_convert_sample(sample, source, building, **options))
            except CenetError as error:
                conversion.failures.append(error)
        if not converted:
            raise CenetError(source, "none of its images can be converted", f"fix the first: {conversion.failures[0]}")
        writer.finish()
        if encoding is not None:
            conversion.written_labels = values_of(encoding) if target == "plain" else indices_of(encoding)
        if target == "coco" and (building / "regions").is_dir():
            cause = "COCO has no regions, so programs that read it count every pixel"
            conversion.notes.append(Note("regions/", cause, "convert with --to plain to keep them"))
        if target == "plain":
            _complete_regions(building)
        _write_conversion(building, source, contents, task, converted)
        building.chmod(0o777 & ~_umask())
        if output.is_dir():
            output.rmdir()
        os.replace(building, output)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return conversion


def _check_output(source: Path, output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise CenetError(output, "already exists", "name a new folder: nothing is overwritten")
    if source.resolve() in (output.resolve(), *output.resolve().parents):
        raise CenetError(output, f"lies inside {source}", "name a folder elsewhere")
    check_writable(output.parent)


def _find_encoding(
    task: str,
    samples: list[Sample],
    source: Path,
    *,
    num_classes: int | None,
    nested: bool | None,
    ignore_value: int | None,
    objects: bool,
) -> LabelEncoding | None:
    labelled = [sample for sample in samples if sample.label]
    if not labelled:
        return None
    if objects:
        ignore = () if ignore_value is None else (float(ignore_value),)
        return LabelEncoding(kind="numbers", names=("foreground",), values=((0.0,), (1.0,)), ignore=ignore)
    if num_classes is None:
        count = count_task_classes(task, labelled, ignore_value=ignore_value, folder=source)
        num_classes, nested = count.num_classes, count.nested if nested is None else nested
    return resolve_label_encoding(
        task,
        labelled,
        num_classes=num_classes,
        nested=bool(nested) and num_classes > 2,
        ignore_value=ignore_value,
        names=resolve_dataset(task).classes,
        folder=source,
    )


def _convert_sample(
    sample: Sample,
    source: Path,
    building: Path,
    *,
    encoding: LabelEncoding | None,
    writer: Writer,
    conversion: Conversion,
) -> ConvertedSample:
    sample = replace(sample, name=sample.name.replace("\\", "_"))  # COCO and Windows read it as the end of a folder
    image = load_image(sample)
    label = load_label(sample, encoding, image) if encoding and sample.label else None
    region = load_region(sample, image) if sample.region else None
    suffix = sample.image.suffix.lower()
    is_copied = not sample.channels and sample.page is None and suffix in IMAGE_SUFFIXES
    image_name = f"{sample.name}{suffix if is_copied else '.tif'}"
    target = building / "images" / image_name
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        raise CenetError(sample.image, f"would become {image_name}, as another image does", "rename one of them")
    if is_copied:
        shutil.copyfile(sample.image, target)
    else:
        _write_tiff(target, image, read_pixel_size(sample.image))
    writer.add(sample, image_name, label, (image.shape[0], image.shape[1]))
    if region is not None:
        write_mask(building / "regions" / f"{sample.name}.png", region.astype(np.uint8))
    if sample.drawn is not None:
        remarks = draw_sample_label(sample, shape=(image.shape[0], image.shape[1])).remarks()
        conversion.notes += [Note(sample.image.name, remark.cause, remark.remedy) for remark in remarks]
    conversion.images += 1
    conversion.masks += label is not None
    files = [to_unicode(path.relative_to(source).as_posix()) for path in (sample.image, *sample.label)]
    return ConvertedSample(
        name=sample.name, group=sample.group, part=sample.part, image=files[0], label=tuple(files[1:])
    )


def _write_tiff(path: Path, image: NDArray[Any], pixel_size: PixelSize | None) -> None:
    import tifffile

    values = image[..., 0] if image.shape[2] == 1 else image
    planes: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig" if values.ndim > 2 else None}
    tifffile.imwrite(path, values, **planes, **tiff_resolution(pixel_size))


def _complete_regions(folder: Path) -> None:
    """Give every image a region where some have one: without one all of its pixels count."""
    if not (folder / "regions").is_dir():
        return
    with_region = {path.stem for path in (folder / "regions").iterdir()}
    for path in sorted((folder / "images").iterdir()):
        if path.stem not in with_region:
            image = load_image(Sample(path.stem, path))
            write_mask(folder / "regions" / f"{path.stem}.png", np.ones(image.shape[:2], np.uint8))


def _write_conversion(
    folder: Path, source: Path, contents: DatasetContents, task: str, converted: list[ConvertedSample]
) -> None:
    content = ConversionFile(
        source=to_unicode(source.resolve().name),
        layout=contents.layout or task,
        evidence=to_unicode(contents.evidence),
        samples=tuple(converted),
    )
    write_text(folder / CONVERSION, content.model_dump(mode="json"))


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
