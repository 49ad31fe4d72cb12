"""Label Studio: a JSON list of tasks, with polygons and brush strokes as shares of the image's sides."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from pydantic import Field, RootModel

from cenet.config.json_files import read_json
from cenet.data.labels.shapes import BrushStroke, Outlines, Shape, ellipse, rectangle, turn
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list
from cenet.datasets.layouts.annotations import (
    AnnotatedImage,
    NamedObject,
    Remarks,
    build_contents,
    part_from_path,
)
from cenet.datasets.layouts.image_finder import ImageFinder
from cenet.datasets.layouts.json_kinds import MAX_ANNOTATION_BYTES, TOO_LARGE, AnnotationModel, find_json
from cenet.datasets.layouts.listing import FolderListing
from cenet.errors import CenetError

Side = Annotated[int, Field(ge=1, le=10**6)]
Byte = Annotated[int, Field(ge=0, le=255)]
Percent = Annotated[float, Field(allow_inf_nan=False)]
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file


class _Value(AnnotationModel):
    polygonlabels: tuple[str, ...] = ()
    brushlabels: tuple[str, ...] = ()
    rectanglelabels: tuple[str, ...] = ()
    ellipselabels: tuple[str, ...] = ()
    points: tuple[tuple[Percent, Percent], ...] = ()
    rle: tuple[Byte, ...] = ()
    x: Percent = 0
    y: Percent = 0
    width: Percent = 0
    height: Percent = 0
    radius_x: Annotated[Percent, Field(alias="radiusX")] = 0
    radius_y: Annotated[Percent, Field(alias="radiusY")] = 0
    rotation: Percent = 0


class _Result(AnnotationModel):
    id: str | int = ""
    type: str = ""
    original_width: Side | None = None
    original_height: Side | None = None
    value: _Value = _Value()


class _Annotation(AnnotationModel):
    result: tuple[_Result, ...] = ()
    was_cancelled: bool = False


class _Task(AnnotationModel):
    id: str | int = ""
    data: dict[str, Any] = Field(default_factory=dict)
    file_upload: str | None = None
    annotations: tuple[_Annotation, ...] = ()


class _Export(RootModel[list[_Task]]):
    pass


@dataclass(frozen=True)
class LabelStudio:
    """The JSON export of Label Studio, beside the images."""

    name: str = "label-studio"
    title: str = "Label Studio: polygons and brush strokes in a JSON file"
    tree: str = (
        "DATA/images/NAME.jpg      or with the name that the upload got, 0a1b2c3d-NAME.jpg\n"
        "DATA/export.json          the JSON export, not JSON-MIN"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        paths = find_json(listing, "label-studio")
        return f"tasks with results in {format_list(listing.name(path) for path in paths)}" if paths else None

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        paths = find_json(listing, "label-studio")
        if not paths:
            raise CenetError(listing.root, "it has no JSON export of Label Studio", "export as JSON")
        finder = ImageFinder(listing)
        images: list[AnnotatedImage] = []
        notes: list[Note] = []
        for path in paths:
            remarks = Remarks()
            tasks = read_json(path, _Export, remedy=TOO_LARGE, max_bytes=MAX_ANNOTATION_BYTES).root
            for task in tasks:
                image = _read_task(task, path, finder, remarks)
                if image is not None:
                    images.append(image)
            notes += remarks.notes(listing.name(path))
        return build_contents(listing, images, group_pattern=group_pattern, class_order=(), notes=notes)


def _read_task(task: _Task, path: Path, finder: ImageFinder, remarks: Remarks) -> AnnotatedImage | None:
    names = _image_names(task)
    image = next((path_in_listing for name in names if (path_in_listing := finder.find(name, path))), None)
    if image is None:
        remarks.missing.append(names[0] if names else f"that of task {task.id}")
        return None
    part = part_from_path(image, finder.listing.root)
    annotations = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    if not annotations:
        return AnnotatedImage(image, path, None, part=part)
    if len(annotations) > 1:
        cause = f"task {task.id} ({image.name}) has {len(annotations)} annotations"
        raise CenetError(path, cause, "export one for each image: the others may differ from it")
    results = annotations[0].result
    sizes = {(item.original_height, item.original_width) for item in results if item.original_height}
    if len(sizes) > 1:
        raise CenetError(path, f"task {task.id} ({image.name}) has results of several sizes", "export it again")
    height, width = next(iter(sizes), (None, None))
    objects = []
    for number, item in enumerate(results, start=1):
        labels = (*item.value.polygonlabels, *item.value.brushlabels, *item.value.rectanglelabels)
        labels += item.value.ellipselabels
        if not labels or not height or not width:
            remarks.count_unread(f"results of the kind {item.type}")
            continue
        if len(labels) > 1:
            raise CenetError(path, f"a result of task {task.id} has the labels {format_list(labels)}", "keep one")
        try:
            shape = _read_shape(item.value, height, width)
        except ValueError as error:
            cause = f"result {number} of task {task.id} cannot be read: {error}"
            raise CenetError(path, cause, "correct it in Label Studio") from error
        objects.append(NamedObject(labels[0], shape, f"result {number} of task {task.id}"))
    return AnnotatedImage(image, path, tuple(objects), (height, width) if height and width else None, part)


def _image_names(task: _Task) -> list[str]:
    """Return what the image of a task may be called: as uploaded, and without what the upload put before it."""
    names = [task.file_upload] if task.file_upload else []
    whole: list[str] = []  # of files that were served where they lie: with their folders
    for value in task.data.values():
        if isinstance(value, str) and value:
            address = urlsplit(value)
            local = parse_qs(address.query).get("d", [])
            names += [unquote(name) for name in (*local, address.path)]
            whole += [f"/{unquote(name)}" for name in local]
    bases = [PurePosixPath(name.replace("\\", "/")).name for name in names]
    return [name for name in dict.fromkeys((*whole, *bases, *(_UPLOAD.sub("", base) for base in bases))) if name]


def _read_shape(value: _Value, height: int, width: int) -> Shape:
    if value.brushlabels:
        return BrushStroke(bytes(value.rle))
    sides = np.array([width, height])
    if value.polygonlabels:
        if len(value.points) < 3:
            raise ValueError(f"it has {len(value.points)} corners")
        return Outlines((np.array(value.points, np.float64) / 100 * sides,))
    x, y = np.array([value.x, value.y]) / 100 * sides
    if value.rectanglelabels:
        right, bottom = np.array([value.width, value.height]) / 100 * sides
        corner = np.array([x, y])  # about which Label Studio turns a rectangle
        return Outlines((turn(rectangle(0, 0, right, bottom), value.rotation) + corner,))
    radius_x, radius_y = np.array([value.radius_x, value.radius_y]) / 100 * sides
    return Outlines((ellipse(x, y, radius_x, radius_y, turn_deg=value.rotation),))
