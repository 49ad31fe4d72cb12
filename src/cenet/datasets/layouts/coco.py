"""COCO: one JSON file with images, categories, and polygons or run lengths for each object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cenet.config.json_files import read_json
from cenet.data.labels.run_lengths import unpack_counts
from cenet.data.labels.shapes import Outlines, Runs, Shape
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
Identifier = int | str


class _Image(AnnotationModel):
    id: Identifier
    file_name: Annotated[str, Field(min_length=1, max_length=10_000)]
    width: Side
    height: Side


class _Category(AnnotationModel):
    id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=1000)]


class _Rle(AnnotationModel):
    size: tuple[Side, Side]
    counts: str | list[Annotated[int, Field(ge=0)]]


class _Annotation(AnnotationModel):
    id: Identifier = 0
    image_id: Identifier
    category_id: Identifier
    segmentation: list[list[float]] | _Rle | None = None


class _CocoFile(AnnotationModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class Coco:
    """`annotations.json` in the form of COCO, one for all images or one for each part of the split."""

    name: str = "coco"
    title: str = "COCO: polygons and run lengths in a JSON file"
    tree: str = (
        "DATA/images/NAME.jpg                or train/, val/, test/\n"
        "DATA/annotations/instances.json     images, annotations, categories; or instances_train.json, ...;\n"
        "                                    or DATA/train/_annotations.coco.json"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        paths = find_json(listing, "coco")
        if not paths:
            return None
        return f"images, annotations and categories in {format_list(listing.name(path) for path in paths)}"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        paths = find_json(listing, "coco")
        if not paths:
            remedy = "export the annotations as COCO"
            raise CenetError(listing.root, "it has no JSON with images, annotations and categories", remedy)
        finder = ImageFinder(listing)
        images: list[AnnotatedImage] = []
        notes: list[Note] = []
        class_order: dict[str, None] = {}
        for path in paths:
            remarks = Remarks()
            content = read_json(path, _CocoFile, remedy=TOO_LARGE, max_bytes=MAX_ANNOTATION_BYTES)
            images += _read_images(path, content, finder, remarks)
            notes += remarks.notes(listing.name(path))
            class_order |= dict.fromkeys(category.name for category in content.categories)
        return build_contents(listing, images, group_pattern=group_pattern, class_order=list(class_order), notes=notes)


def _read_images(path: Path, content: _CocoFile, finder: ImageFinder, remarks: Remarks) -> list[AnnotatedImage]:
    category_of = {category.id: category.name for category in content.categories}
    objects: dict[Identifier, list[NamedObject]] = {image.id: [] for image in content.images}
    size_of = {image.id: (image.height, image.width) for image in content.images}
    for annotation in content.annotations:
        name = f"annotation {annotation.id}"
        if annotation.image_id not in objects:
            raise CenetError(path, f"{name} is of the image {annotation.image_id}, which it does not list", "remove it")
        if annotation.category_id not in category_of:
            cause = f"{name} is of the category {annotation.category_id}, which it does not list"
            raise CenetError(path, cause, "add the category")
        try:
            shape = _read_shape(annotation.segmentation, size_of[annotation.image_id])
        except ValueError as error:
            raise CenetError(path, f"{name} cannot be read: {error}", "export the annotations again") from error
        if shape is None:
            remarks.count_unread("boxes")
        else:
            objects[annotation.image_id].append(NamedObject(category_of[annotation.category_id], shape, name))
    images = []
    for image in content.images:
        image_path = finder.find(image.file_name, path)
        if image_path is None:
            remarks.missing.append(image.file_name)
            continue
        part = part_from_path(path, finder.listing.root) or part_from_path(image_path, finder.listing.root)
        images.append(AnnotatedImage(image_path, path, tuple(objects[image.id]), size_of[image.id], part))
    return images


def _read_shape(segmentation: list[list[float]] | _Rle | None, size: tuple[int, int]) -> Shape | None:
    """Return the shape of an annotation, or None where it has only a box."""
    if not segmentation:
        return None
    if isinstance(segmentation, _Rle):
        if segmentation.size != size:
            raise ValueError(f"its run lengths are of {segmentation.size[1]} x {segmentation.size[0]} pixels")
        counts = segmentation.counts
        lengths = unpack_counts(counts) if isinstance(counts, str) else counts
        return Runs(tuple(lengths), left=0, top=0, width=size[1], height=size[0], whole_image=True)
    polygons = []
    for numbers in segmentation:
        if len(numbers) % 2 or len(numbers) < 6:
            raise ValueError(f"a polygon has {len(numbers)} numbers")
        polygons.append(np.array(numbers, np.float64).reshape(-1, 2))
    return Outlines(tuple(polygons))
