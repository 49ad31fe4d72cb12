"""A table that lists the files: a CSV of pairs, or the `metadata.jsonl` of Hugging Face."""

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from cenet.config.json_files import read_regular_file
from cenet.data.io.read import image_stem
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list, group_from_name
from cenet.datasets.layouts.listing import FolderListing
from cenet.datasets.layouts.part_names import part_from_name
from cenet.datasets.layouts.split_folders import add_folders_to_names, name_uniquely, settle_parts
from cenet.datasets.stacks import expand_stacks
from cenet.errors import CenetError

IMAGE_COLUMNS = (
    *("image", "images", "image_path", "image_file", "image_file_name", "img", "img_path"),
    *("file_name", "filename", "file", "path", "input"),
)
MASK_COLUMNS = (
    *("mask", "masks", "mask_path", "mask_file", "mask_file_name", "label", "label_path", "label_file"),
    *("label_file_name", "annotation", "annotation_file_name", "segmentation", "segmentation_file_name"),
    *("seg", "seg_path", "segmentation_path", "annotation_path", "gt", "ground_truth", "target"),
)
REGION_COLUMNS = ("region", "region_file_name", "fov", "roi")
GROUP_COLUMNS = ("group", "patient", "patient_id", "subject", "subject_id", "case", "case_id", "volume")
PART_COLUMNS = ("part", "split", "set", "subset")
MAX_TABLE_BYTES = 64 * 1024 * 1024
_JSON_ROW: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """`pairs.csv` with a column for the image and one for the mask, or `metadata.jsonl` with such fields."""

    name: str = "table"
    title: str = "A table of the files: a CSV of pairs, or metadata.jsonl"
    tree: str = (
        "DATA/pairs.csv            a line for each image: image,mask; also patient and split\n"
        'or DATA/metadata.jsonl    {"file_name": "NAME.png", "mask_file_name": "NAME_mask.png"}; also metadata.csv'
    )

    def find_evidence(self, listing: FolderListing) -> str | None:
        tables = _find_tables(listing)
        if not tables:
            return None
        names = format_list(listing.name(path) for path in tables)
        return f"{names} {'name' if len(tables) > 1 else 'names'} images and their masks"

    def read(self, listing: FolderListing, group_pattern: str | None) -> DatasetContents:
        tables = _find_tables(listing)
        if not tables:
            cause = "it has no table with a column for the image and one for the mask"
            raise CenetError(listing.root, cause, "add a pairs.csv whose first line is image,mask")
        if len({path.parent for path in tables}) < len(tables):
            names = format_list(listing.name(path) for path in tables)
            raise CenetError(listing.root, f"several tables list images: {names}", "keep one, or give each a folder")
        samples: list[Sample] = []
        missing: list[str] = []
        for path in tables:
            samples += _read_table(path, listing.root, group_pattern, missing)
        if not samples:
            raise CenetError(tables[0], f"none of its images exists, such as {missing[0]}", "check the paths")
        notes: list[Note] = []
        if missing:
            cause = f"there is no file {format_list(missing)}, so its line is not read"
            notes.append(Note(listing.name(tables[0]), cause, "add the files, or remove their lines"))
        has_groups = any(_find(row, GROUP_COLUMNS) for path in tables for row in _read_rows(path))
        samples, remarks = settle_parts(expand_stacks(samples), listing.root)
        grouping = "as the table has them" if has_groups else ""
        keep_groups = has_groups or group_pattern is not None
        samples = add_folders_to_names(samples, keep_groups=keep_groups)
        return DatasetContents(name_uniquely(samples, keep_groups=keep_groups), (*notes, *remarks), grouping=grouping)


def _find_tables(listing: FolderListing) -> list[Path]:
    """Return the tables that name images and masks, in the folder itself or in those of the parts of a split."""
    places = [listing.root, *(path for path in listing.subfolders(listing.root) if part_from_name(path.name))]
    paths = []
    for path in listing.files:
        if path.parent not in places:
            continue
        is_jsonl = path.name.lower() == "metadata.jsonl"
        if (is_jsonl or path.suffix.lower() in (".csv", ".tsv")) and _names_pairs(path):
            paths.append(path)
    return paths


def _names_pairs(path: Path) -> bool:
    """Return whether the first row of a table has a column for the image and one for the mask."""
    try:
        rows = _read_rows(path, limit=1)
    except CenetError:
        return False  # some other table
    if not rows or not _find(rows[0], IMAGE_COLUMNS):
        return False
    mask = _find(rows[0], MASK_COLUMNS)
    return mask is not None and (not mask or bool(Path(mask).suffix))  # else a label such as "healthy"


def _read_table(path: Path, root: Path, group_pattern: str | None, missing: list[str]) -> list[Sample]:
    samples = []
    for number, row in enumerate(_read_rows(path), start=1):
        name = _find(row, IMAGE_COLUMNS)
        if not name:
            raise CenetError(path, f"row {number} names no image", "fill the column, or remove the row")
        image = _resolve(name, path, root)
        mask_name = _find(row, MASK_COLUMNS)
        mask = _resolve(mask_name, path, root) if mask_name else None
        region_name = _find(row, REGION_COLUMNS)
        region = _resolve(region_name, path, root) if region_name else None
        named = ((name, image), (mask_name, mask), (region_name, region))
        absent = [text for text, file in named if text and not (file and file.is_file())]
        if absent:
            missing += absent
            continue
        assert image is not None  # else it would be absent
        part_name = _find(row, PART_COLUMNS) or ("" if path.parent == root else path.parent.name)
        part = part_from_name(part_name) if part_name else None
        if part_name and part is None:
            raise CenetError(path, f"row {number} has the part {part_name}", "use train, validation or test")
        group = group_from_name(image, group_pattern, default=_find(row, GROUP_COLUMNS) or "")
        samples.append(Sample(image_stem(image), image, (mask,) if mask else (), region, group, part=part))
    return samples


def _resolve(name: str, table: Path, root: Path) -> Path | None:
    """Return the file that a table names, as seen from the table or from the data set.

    Raises:
        CenetError: It lies outside the data set.
    """
    posix = name.replace("\\", "/")  # a table that was written on Windows
    for spelt in dict.fromkeys((name, posix, *(unicodedata.normalize(form, posix) for form in ("NFC", "NFD")))):
        for folder in (table.parent, root):
            path = folder / spelt
            if path.is_file():
                if not path.resolve().is_relative_to(root.resolve()):
                    raise CenetError(table, f"{name} lies outside the data set", "copy the files into it")
                return path
    return None


def _find(row: Row, columns: Sequence[str]) -> str | None:
    """Return the value of the first of these columns that a row has."""
    return next((row[_key(column)] for column in columns if _key(column) in row), None)


def _read_rows(path: Path, *, limit: int | None = None) -> list[Row]:
    """Return the rows of a table, their columns in lower case.

    Raises:
        CenetError: It is no table.
    """
    content = read_regular_file(path, remedy="check the file", max_bytes=MAX_TABLE_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CenetError(path, "it is not text in UTF-8", "save it as CSV in UTF-8") from error
    rows: list[Row] = []
    try:
        if path.suffix.lower() == ".jsonl":
            lines = (line for line in text.splitlines() if line.strip())
            for line, _ in zip(lines, range(limit or len(text)), strict=False):
                values = _JSON_ROW.validate_json(line)
                rows.append({_key(name): cell for name, value in values.items() if (cell := _text(value)) is not None})
            return rows
        head = text.partition("\n")[0]
        delimiter = max(",;\t", key=head.count)
        for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=delimiter)):
            if number == limit:
                break
            rows.append({_key(str(name)): (value or "").strip() for name, value in row.items() if name})
    except (ValueError, RecursionError, csv.Error, AttributeError) as error:
        raise CenetError(path, "it is no table that can be read", "save it as CSV with a line of names") from error
    return rows


def _key(name: str) -> str:
    """A name of a column without case, spaces and signs: `patient_id`, `PatientID` and `Patient ID` are one."""
    return "".join(character for character in name.lower() if character.isalnum())


def _text(value: JsonValue) -> str | None:
    """A value of JSON as the text of a cell; None for lists, objects, booleans and null."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip()
