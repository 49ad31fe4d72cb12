"""CVAT: an XML file with the polygons, masks, boxes and ellipses of all images ("CVAT for images 1.1")."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from cenet.config.json_files import read_regular_file
from cenet.data.labels.shapes import Outlines, Runs, Shape, ellipse, rectangle, turn
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
from cenet.datasets.layouts.json_kinds import MAX_ANNOTATION_BYTES, TOO_LARGE
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.part_names import part_from_name
from cenet.errors import CenetError

MAX_DEPTH = 30
HEAD_BYTES = 4096
SHAPES = ("polygon", "mask", "box", "ellipse")
NO_SHAPES = ("polyline", "points", "cuboid", "skeleton")

Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Cvat:
    """`annotations.xml` of CVAT, with the images in `images/`."""

    name: str = "cvat"
    title: str = "CVAT for images: polygons and masks in an XML file"
    tree: str = "DATA/images/NAME.jpg\nDATA/annotations.xml      as CVAT exports it (CVAT for images 1.1)"

    def find_evidence(self, listing: FolderListing) -> str | None:
        paths = _find_files(listing)
        return f"images of CVAT in {format_list(listing.name(path) for path in paths)}" if paths else None

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        paths = _find_files(listing)
        if not paths:
            raise CenetError(listing.root, "it has no annotations.xml of CVAT", "export as CVAT for images 1.1")
        finder = ImageFinder(listing)
        images: list[AnnotatedImage] = []
        notes: list[Note] = []
        labels: dict[str, None] = {}
        for path in paths:
            reader = _Reader()
            _parse(path, reader)
            remarks = Remarks()
            images += _match_images(path, reader, finder, remarks)
            notes += remarks.notes(listing.name(path))
            labels |= dict.fromkeys(reader.labels)
        return build_contents(listing, images, group_pattern=group_pattern, class_order=list(labels), notes=notes)


@dataclass
class _Image:
    """An image as the file has it: its attributes, and those of its shapes by kind."""

    attributes: dict[str, str]
    shapes: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@dataclass
class _Reader:
    """What is kept of an XML file while it is parsed."""

    images: list[_Image] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    text: str = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.path) > MAX_DEPTH:
            raise ValueError("its elements are nested too deeply")
        if not self.path and tag != "annotations":
            raise ValueError(f"it holds {tag}, not annotations")
        self.path.append(tag)
        self.text = ""
        if self.path == ["annotations", "image"]:
            self.images.append(_Image(attributes))
        elif self.path == ["annotations", "track"]:
            raise ValueError("it is of a video, whose tracks are not read; export as CVAT for images")
        elif len(self.path) == 3 and self.path[1] == "image":
            self.images[-1].shapes.append((tag, attributes))

    def end(self, tag: str) -> None:
        if self.path[-3:] == ["labels", "label", "name"]:
            self.labels.append(self.text.strip())
        self.path.pop()

    def characters(self, text: str) -> None:
        if self.path[-1:] == ["name"]:
            self.text += text

    def refuse_doctype(self, *_: object) -> None:
        raise ValueError("it has a DOCTYPE, which no file of CVAT has and which may hide other content")


def _find_files(listing: FolderListing) -> list[Path]:
    paths = []
    for path in listing.with_suffix(".xml"):
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError:
            continue
        if b"<annotations" in head and (b"<version>" in head or b"<meta>" in head or b"<image " in head):
            paths.append(path)
    return paths


def _parse(path: Path, reader: _Reader) -> None:
    """Parse an XML file without entities: no DOCTYPE is read.

    Raises:
        CenetError: It is no XML of CVAT.
    """
    content = read_regular_file(path, remedy=TOO_LARGE, max_bytes=MAX_ANNOTATION_BYTES)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as error:
        raise CenetError(path, f"it cannot be read: {error}", "export it again from CVAT") from error


def _match_images(path: Path, reader: _Reader, finder: ImageFinder, remarks: Remarks) -> list[AnnotatedImage]:
    images = []
    for item in reader.images:
        name = item.attributes.get("name", "")
        image = finder.find(name, path) if name else None
        if image is None:
            remarks.missing.append(name or "an image without a name")
            continue
        objects = []
        for number, (kind, attributes) in enumerate(item.shapes, start=1):
            if kind in NO_SHAPES:
                remarks.count_unread(f"of the kind {kind}")
            if kind not in SHAPES:
                continue
            try:
                shape = _read_shape(kind, attributes)
                layer = int(attributes.get("z_order", 0))
            except (KeyError, ValueError) as error:
                cause = f"{kind} {number} of {name} cannot be read ({error})"
                raise CenetError(path, cause, "export it again from CVAT") from error
            objects.append(NamedObject(attributes.get("label", "object"), shape, f"{kind} {number}", layer))
        part = part_from_name(item.attributes.get("subset", "")) or part_from_path(image, finder.listing.root)
        images.append(AnnotatedImage(image, path, tuple(objects), _read_size(item.attributes), part))
    return images


def _read_size(attributes: Attributes) -> tuple[int, int] | None:
    try:
        return int(attributes["height"]), int(attributes["width"])
    except (KeyError, ValueError):
        return None


def _read_shape(kind: str, attributes: Attributes) -> Shape:
    """Return the shape of an element.

    Raises:
        KeyError: An attribute is missing.
        ValueError: One is not what it should be.
    """
    turn_deg = float(attributes.get("rotation", 0))
    if kind == "polygon":
        points = [[float(number) for number in corner.split(",")] for corner in attributes["points"].split(";")]
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise ValueError(f"a polygon of {len(points)} corners")
        return Outlines((np.array(points, np.float64),))
    if kind == "mask":
        first_column, first_row, width, height = (int(attributes[name]) for name in ("left", "top", "width", "height"))
        counts = tuple(int(number) for number in attributes["rle"].split(","))
        if min(width, height) < 1 or max(width, height) > 10**6:
            raise ValueError(f"a mask of {width} x {height} pixels")
        return Runs(counts, left=first_column, top=first_row, width=width, height=height, by_rows=True)
    if kind == "box":
        left, top, right, bottom = (float(attributes[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        middle = np.array([(left + right) / 2, (top + bottom) / 2])
        return Outlines((turn(rectangle(left, top, right, bottom) - middle, turn_deg) + middle,))
    x, y, radius_x, radius_y = (float(attributes[name]) for name in ("cx", "cy", "rx", "ry"))
    return Outlines((ellipse(x, y, radius_x, radius_y, turn_deg=turn_deg),))
