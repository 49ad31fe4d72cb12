"""YOLO: a text file for each image, with a line of a class number and a polygon for each object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cenet.config.json_files import read_regular_file
from cenet.data.labels.shapes import Outlines
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list
from cenet.datasets.layouts.annotations import AnnotatedImage, NamedObject, Remarks, build_contents, part_from_path
from cenet.datasets.layouts.listing import FolderListing
from cenet.errors import CenetError

MAX_YAML_BYTES, MAX_TEXT_BYTES = 1024 * 1024, 16 * 1024 * 1024
BOX_NUMBERS = 5  # a class and a box
_LINE = re.compile(rb"\s*\d+(?:\s+-?[\d.]+(?:[eE][-+]?\d+)?){4,}\s*(?:\n|$)")


@dataclass(frozen=True)
class Yolo:
    """`labels/NAME.txt` for `images/NAME.jpg`, with the classes in `data.yaml`."""

    name: str = "yolo"
    title: str = "YOLO: polygons in text files"
    tree: str = (
        "DATA/data.yaml                      names: the classes\n"
        "DATA/images/train/NAME.jpg          or DATA/train/images/NAME.jpg\n"
        "DATA/labels/train/NAME.txt          a line for each object: class x1 y1 x2 y2 ..., as shares of the sides;\n"
        "                                    an empty file where nothing is to be seen"
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        first = next(_iterate_label_files(listing), None)
        return f"a class and a polygon in each line of {listing.name(first)}" if first else None

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        first = next(_iterate_label_files(listing), None)
        if first is None:
            cause = "it has no text files with a class and a polygon in each line"
            raise CenetError(listing.root, cause, "export the labels for YOLO segmentation")
        names, notes, class_origin = _read_names(listing)
        remarks = Remarks()
        images = []
        for image in (path for folder in listing.images_by_folder for path in listing.images_in(folder)):
            label = _label_of(image, listing)
            if label is None:
                if _has_labels_beside(image, first, listing):
                    images.append(AnnotatedImage(image, first, None, part=part_from_path(image, listing.root)))
                continue
            objects = tuple(_read_objects(label, names, remarks))
            images.append(AnnotatedImage(image, label, objects, part=part_from_path(image, listing.root)))
        notes += remarks.notes(listing.name(first))
        labelled = {image.origin for image in images}
        lonely = [listing.name(path) for path in _iterate_label_files(listing) if path not in labelled]
        if lonely:
            cause = f"there is no image for {format_list(lonely)}, which is not read"
            notes.append(Note(listing.root.name, cause, "add the image, or remove the file"))
        order = [names[number] for number in sorted(names)]
        return build_contents(
            listing, images, group_pattern=group_pattern, class_order=order, notes=notes, class_origin=class_origin
        )


def _iterate_label_files(listing: FolderListing) -> Iterator[Path]:
    """Yield the text files that hold objects."""
    for path in listing.with_suffix(".txt"):
        try:
            with path.open("rb") as file:
                if _LINE.match(file.read(100_000)):
                    yield path
        except OSError:
            continue


def _label_of(image: Path, listing: FolderListing) -> Path | None:
    """Return the text file of an image: beside it, or where the last folder `images` of its path is `labels`."""
    name = image.with_suffix(".txt").name
    places = [image.parent / name]
    folders = list(image.relative_to(listing.root).parts[:-1])
    for index in range(len(folders) - 1, -1, -1):
        if folders[index].lower() == "images":
            places.insert(0, listing.root.joinpath(*folders[:index], "labels", *folders[index + 1 :], name))
            break
    return next((path for path in places if path.is_file()), None)


def _has_labels_beside(image: Path, label: Path, listing: FolderListing) -> bool:
    """Whether an image lies where images with labels do, so that it lacks its own."""
    return image.parent == label.parent or "images" in [part.lower() for part in image.relative_to(listing.root).parts]


def _read_objects(path: Path, names: dict[int, str], remarks: Remarks) -> Iterator[NamedObject]:
    content = read_regular_file(path, remedy="check the file", max_bytes=MAX_TEXT_BYTES)
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            class_number, *numbers = int(words[0]), *map(float, words[1:])
            corners = np.array(numbers, np.float64)
            if len(words) == BOX_NUMBERS:
                remarks.count_unread("boxes")
                continue
            if corners.size % 2 or corners.size < 6:
                raise ValueError(f"it has {len(words)} numbers")
            if (np.abs(corners) > 2).any():
                raise ValueError("its corners are no shares of the image's sides")
        except ValueError as error:
            remedy = "a line is a class and x, y of each corner from 0 to 1"
            raise CenetError(path, f"line {number} is no polygon: {error}", remedy) from error
        class_name = names.get(class_number, f"class {class_number}")
        yield NamedObject(class_name, Outlines((corners.reshape(-1, 2),), relative=True), f"line {number}")


def _read_names(listing: FolderListing) -> tuple[dict[int, str], list[Note], Path | None]:
    """Return the names of the classes by their numbers, and the file that has them, such as data.yaml."""
    for path in listing.with_suffix(".yaml", ".yml"):
        names = read_plain_yaml(path).get("names")
        if isinstance(names, list):
            return {number: str(name) for number, name in enumerate(names)}, [], path
        if isinstance(names, dict) and all(isinstance(number, int) for number in names):
            return {number: str(name) for number, name in names.items()}, [], path
    for path in listing.with_suffix(".txt", ".names"):
        if path.name.lower() in ("classes.txt", "obj.names"):
            content = read_regular_file(path, remedy="check the file", max_bytes=MAX_YAML_BYTES)
            lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
            return {number: line for number, line in enumerate(lines) if line}, [], path
    cause = "no data.yaml names the classes, so they are called by their numbers"
    return {}, [Note(listing.root.name, cause, "add one with names:, if they have names")], None


def read_plain_yaml(path: Path) -> dict[Any, Any]:
    """Read a small YAML file with names and values.

    Args:
        path: The file.

    Raises:
        CenetError: It is too large, has references, or is something else.
    """
    content = read_regular_file(path, remedy="check the file", max_bytes=MAX_YAML_BYTES)
    try:
        if any(isinstance(event, yaml.events.AliasEvent) for event in yaml.parse(content)):
            raise ValueError("it has references, by which a small file could become a large value")
        value = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise CenetError(path, f"it is no YAML that can be read ({reason})", "fix the file") from error
    if not isinstance(value, dict):
        raise CenetError(path, "it holds no names with values", "fix the file")
    return value
