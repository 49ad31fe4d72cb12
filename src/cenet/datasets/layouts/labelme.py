"""LabelMe: a JSON file beside each image, with polygons, rectangles, circles and small masks."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from cenet.config.json_files import read_json
from cenet.data.labels.shapes import MaskInBox, Outlines, Shape, ellipse, rectangle
from cenet.datasets.contents import DatasetContents
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


class _Shape(AnnotationModel):
    label: Annotated[str, Field(min_length=1, max_length=1000)]
    points: list[tuple[float, float]]
    shape_type: str | None = "polygon"
    mask: str | None = None


class _LabelMeFile(AnnotationModel):
    shapes: list[_Shape]
    image_path: Annotated[str, Field(alias="imagePath", min_length=1, max_length=10_000)]
    height: Annotated[int | None, Field(alias="imageHeight", ge=1, le=10**6)] = None
    width: Annotated[int | None, Field(alias="imageWidth", ge=1, le=10**6)] = None


@dataclass(frozen=True)
class LabelMe:
    """`NAME.json` beside `NAME.jpg`, or in a folder of its own."""

    name: str = "labelme"
    title: str = "LabelMe: a JSON file for each image"
    tree: str = "DATA/NAME.jpg\nDATA/NAME.json             as LabelMe saves it"

    def find_evidence(self, listing: FolderListing) -> str | None:
        paths = find_json(listing, "labelme")
        return f"shapes and imagePath in {len(paths)} JSON files, such as {listing.name(paths[0])}" if paths else None

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        paths = find_json(listing, "labelme")
        if not paths:
            raise CenetError(listing.root, "it has no JSON with shapes and imagePath", "save the labels in LabelMe")
        finder, remarks = ImageFinder(listing), Remarks()
        images: list[AnnotatedImage] = []
        for path in paths:
            content = read_json(path, _LabelMeFile, remedy=TOO_LARGE, max_bytes=MAX_ANNOTATION_BYTES)
            image = finder.find(content.image_path, path)
            if image is None:
                remarks.missing.append(content.image_path)
                continue
            objects = []
            for number, shape in enumerate(content.shapes, start=1):
                try:
                    outline = _read_shape(shape)
                except (ValueError, OverflowError, binascii.Error) as error:
                    cause = f"shape {number} cannot be read: {error}"
                    raise CenetError(path, cause, "correct it in LabelMe") from error
                if outline is None:
                    remarks.count_unread(f"shapes of the kind {shape.shape_type}")
                else:
                    objects.append(NamedObject(shape.label, outline, f"shape {number}"))
            size = (content.height, content.width) if content.height and content.width else None
            part = part_from_path(image, listing.root)
            images.append(AnnotatedImage(image, path, tuple(objects), size, part))
        notes = remarks.notes(listing.root.name)
        return build_contents(listing, images, group_pattern=group_pattern, class_order=(), notes=notes)


def _read_shape(shape: _Shape) -> Shape | None:
    """Return what a shape covers, or None for points and lines, which cover nothing."""
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    kind = shape.shape_type or "polygon"
    if kind == "polygon":
        if len(points) < 3:
            raise ValueError(f"it has {len(points)} corners")
        return Outlines((points,))
    if kind in ("rectangle", "circle", "mask") and len(points) < 2:
        raise ValueError(f"it has {len(points)} points")
    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return Outlines((rectangle(left, top, right, bottom),))
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return Outlines((ellipse(points[0, 0], points[0, 1], radius, radius),))
    if kind == "mask" and shape.mask:
        left, top = points.min(axis=0)
        return MaskInBox(base64.b64decode(shape.mask, validate=True), left=round(float(left)), top=round(float(top)))
    return None
