"""From the objects that an annotation tool names to samples: which image they are of, and which value a class has."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cenet.data.io.read import IMAGE_SUFFIXES, image_stem
from cenet.data.labels.drawn import DrawnLabel, DrawnObject
from cenet.data.labels.inspect import IGNORED
from cenet.data.labels.schema import ClassesFile, ClassSpec, Declaration, read_classes_file
from cenet.data.labels.shapes import Shape
from cenet.data.sample import Sample
from cenet.data.splits import Part
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.conversion_file import CONVERSION, read_conversion
from cenet.datasets.folder import format_list, group_from_name, natural_key
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.part_names import part_from_name, part_in_words
from cenet.datasets.layouts.split_folders import add_folders_to_names, name_uniquely, settle_parts
from cenet.errors import CenetError

BACKGROUND_NAMES = ("background", "_background_", "__background__")
IGNORE_NAMES = ("__ignore__", "_ignore_", "ignore")
MAX_CLASSES = 254


@dataclass(frozen=True)
class NamedObject:
    """An object as a tool stores it.

    Args:
        class_name: What it is.
        shape: What it covers.
        name: What messages call it, such as "annotation 17".
        layer: Objects of a higher layer lie on top.
    """

    class_name: str
    shape: Shape
    name: str
    layer: int = 0


@dataclass(frozen=True)
class AnnotatedImage:
    """What an annotation file says of an image.

    Args:
        image: The image.
        origin: The annotation file.
        objects: Its objects; none where nothing is to be seen; None where it is not annotated.
        size: Height and width of the image that was annotated, where the file says it.
        part: The part of the split that it belongs to, where the file or its folder says it.
    """

    image: Path
    origin: Path
    objects: tuple[NamedObject, ...] | None
    size: tuple[int, int] | None = None
    part: Part | None = None


@dataclass
class Remarks:
    """What is collected while annotation files are read.

    Args:
        missing: Images that are named and do not exist.
        unread: How many objects of each kind are not drawn, such as boxes.
    """

    missing: list[str] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)

    def count_unread(self, kind: str) -> None:
        """Count an object that has no area."""
        self.unread[kind] = self.unread.get(kind, 0) + 1

    def notes(self, origin: str) -> list[Note]:
        """Everything as notes about an annotation file."""
        notes = []
        if self.missing:
            cause = (
                f"it names images that do not exist, or are of a format that is not read: {format_list(self.missing)}"
            )
            notes.append(Note(origin, cause, "add them, or remove them in the tool that made it"))
        for kind, count in self.unread.items():
            cause = f"{count} of its objects are {kind}, which cover no pixels and are not drawn"
            notes.append(Note(origin, cause, "outline them as polygons, if they are to be segmented"))
        return notes


def part_from_path(path: Path, root: Path) -> Part | None:
    """Return the part of the split that a file belongs to, by its folders or the words of its name.

    >>> part_from_path(Path("data/train/_annotations.coco.json"), Path("data"))
    'train'
    """
    for folder in path.relative_to(root).parts[:-1]:
        if part := part_from_name(folder):
            return part
    return None if path.suffix.lower() in IMAGE_SUFFIXES else part_in_words(path.stem)


def build_contents(
    listing: FolderListing,
    images: Sequence[AnnotatedImage],
    *,
    group_pattern: str | None,
    class_order: Sequence[str],
    notes: Sequence[Note],
    class_origin: Path | None = None,
) -> DatasetContents:
    """Make samples of annotated images: every class that occurs gets a value, from 1, in the order of the tool.

    A `classes.json` with the names alone may give them another order, and say that they are nested.

    Classes that occur only in a test part have none, as nothing can be learnt of them.

    Args:
        listing: The folder.
        images: The images.
        group_pattern: A pattern that finds the group in an image's name.
        class_order: All classes that the tool declares, in its order; others follow in that of their names.
        notes: What was left out.
        class_origin: The file that names the classes, where it is not that of the first image.

    Raises:
        CenetError: There is no image, no object, too many classes, or two images of one name.
    """
    if not images:
        raise CenetError(listing.root, "none of the annotated images exists", "put the images beside the annotations")
    first: dict[Path, AnnotatedImage] = {}
    for image in images:
        if first.setdefault(image.image, image) is not image:
            cause = f"{listing.name(image.image)} is annotated here and in {first[image.image].origin.name}"
            raise CenetError(image.origin, cause, "keep one of them")
    origin = images[0].origin
    learnt = [image for image in images if image.part != "test"]
    occurring = {item.class_name for image in learnt for item in image.objects or ()}
    names = [name for name in dict.fromkeys((*class_order, *sorted(occurring, key=natural_key))) if name in occurring]
    classes = [name for name in names if name.lower() not in (*BACKGROUND_NAMES, *IGNORE_NAMES)]
    order = _read_class_order(listing.root, classes)
    classes = list(order.names) if order else classes
    if not classes:
        cause = "it holds no outline, and boxes, points and lines are not drawn"
        raise CenetError(origin, cause, "outline some objects, as polygons or with the brush")
    if len(classes) > MAX_CLASSES:
        raise CenetError(origin, f"it has {len(classes)} classes, more than {MAX_CLASSES}", "join some of them")
    value_of = {name: number for number, name in enumerate(classes, start=1)}
    value_of |= {name: 0 for name in names if name.lower() in BACKGROUND_NAMES}
    value_of |= {name: IGNORED for name in names if name.lower() in IGNORE_NAMES}
    in_test = {item.class_name for image in images if image.part == "test" for item in image.objects or ()}
    unlearnt = sorted(in_test - set(value_of), key=natural_key)
    ignore = IGNORED if unlearnt or IGNORED in value_of.values() else None
    specs = tuple(ClassSpec(name=name, value=value_of[name]) for name in classes)
    nested = order.nested if order else None
    declared = Declaration(class_origin or origin, ClassesFile(classes=specs, nested=nested, ignore=ignore))
    samples = [_make_sample(image, declared, value_of, group_pattern) for image in images]
    all_notes = list(notes)
    if unlearnt:
        cause = f"objects of the class {format_list(unlearnt)} are in the test part alone, and count for nothing there"
        all_notes.append(Note(listing.name(origin), cause, "annotate some in the training part"))
    all_notes += [
        *_note_classes(listing, origin, [name for name in class_order if name not in in_test], value_of),
        *_note_unlisted(listing, images),
    ]
    samples, remarks = settle_parts(sorted(samples, key=lambda sample: natural_key(sample.name)), listing.root)
    keep_groups = group_pattern is not None
    samples = name_uniquely(add_folders_to_names(samples, keep_groups=keep_groups), keep_groups=keep_groups)
    kept = read_conversion(listing.root) if group_pattern is None else None
    group_of = {row.name: row.group for row in kept.samples} if kept else {}
    samples = [replace(sample, group=group_of.get(sample.name, sample.group)) for sample in samples]
    grouping = f"as {CONVERSION} has them" if kept else ""
    return DatasetContents(samples, (*all_notes, *remarks), grouping=grouping)


def _read_class_order(root: Path, classes: Sequence[str]) -> ClassesFile | None:
    """Return a `classes.json` that orders the classes of the annotations, if there is one.

    Raises:
        CenetError: It gives them values, or names others.
    """
    path = root / "classes.json"
    if not path.exists():
        return None
    order = read_classes_file(path)
    if order.values or set(order.names) != set(classes):
        cause = f"the classes of the annotations are {format_list(classes)}, and have their values"
        raise CenetError(path, cause, "list exactly these names, without values, in the order that you want")
    return order


def _make_sample(
    image: AnnotatedImage, declared: Declaration, value_of: dict[str, int], group_pattern: str | None
) -> Sample:
    name, group = image_stem(image.image), group_from_name(image.image, group_pattern)
    if image.objects is None:
        return Sample(name, image.image, group=group, part=image.part)
    objects = tuple(
        DrawnObject(value_of.get(item.class_name, IGNORED), item.shape, f"{item.name} ({item.class_name})", item.layer)
        for item in image.objects
    )
    drawn = DrawnLabel(objects, image.size)
    return Sample(name, image.image, (image.origin,), group=group, part=image.part, drawn=drawn, declared=declared)


def _note_classes(
    listing: FolderListing, origin: Path, class_order: Sequence[str], value_of: dict[str, int]
) -> list[Note]:
    """Note classes that are declared and never drawn, and names that are not taken for classes."""
    notes = []
    unused = [name for name in class_order if name not in value_of]
    if unused:
        cause = f"no object is of the class {format_list(unused)}, which is left out"
        notes.append(Note(listing.name(origin), cause, "annotate some, if it is to be learnt"))
    special = {0: "background", IGNORED: "unannotated, which counts for nothing"}
    for name, value in value_of.items():
        if value in special:
            cause = f"objects called {name} are {special[value]}"
            notes.append(Note(listing.name(origin), cause, "rename the class, if it is one"))
    return notes


def _note_unlisted(listing: FolderListing, images: Sequence[AnnotatedImage]) -> list[Note]:
    """Note the images beside the annotated ones that no annotation file names."""
    named = {image.image for image in images}
    places = {path.parent for path in named}
    unlisted = [path.name for folder in places for path in listing.images_in(folder) if path not in named]
    if not unlisted:
        return []
    cause = f"no annotation file names {format_list(sorted(unlisted, key=natural_key))}, which is left out"
    return [Note(listing.root.name, cause, "annotate it, if it is to be used")]
