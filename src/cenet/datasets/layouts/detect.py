"""Recognise the layout of a folder: every layout that fits is a candidate, and of several the user chooses."""

from dataclasses import replace
from pathlib import Path

from cenet.datasets.contents import DatasetContents, Note
from cenet.datasets.folder import format_list, read_plain_folder
from cenet.datasets.layouts.coco import Coco
from cenet.datasets.layouts.cvat import Cvat
from cenet.datasets.layouts.image_folders import ImageFolders
from cenet.datasets.layouts.label_studio import LabelStudio
from cenet.datasets.layouts.labelme import LabelMe
from cenet.datasets.layouts.layout import Candidate, Layout
from cenet.datasets.layouts.listing import FolderListing, list_folder
from cenet.datasets.layouts.nnunet_raw import NnunetRaw
from cenet.datasets.layouts.one_folder import Pairs, Patients
from cenet.datasets.layouts.plain import Plain
from cenet.datasets.layouts.split_folders import SplitFolders
from cenet.datasets.layouts.tables import Table
from cenet.datasets.layouts.voc import Voc
from cenet.datasets.layouts.yolo import Yolo
from cenet.datasets.stacks import group_dicom
from cenet.errors import CenetError

PLAIN = Plain()
FOLDER_LAYOUTS: tuple[Layout, ...] = (ImageFolders(), Pairs(), Patients(), SplitFolders())
LAYOUTS: tuple[Layout, ...] = (
    *FOLDER_LAYOUTS,
    Table(),
    Coco(),
    Yolo(),
    LabelMe(),
    Voc(),
    Cvat(),
    LabelStudio(),
    NnunetRaw(),
)
"""The layouts beside that of this package, each also a task of its name."""


def read_recognised(folder: Path, *, group_pattern: str | None = None) -> DatasetContents:
    """Read a folder in the layout that is recognised.

    That of this package takes precedence: what also fits is noted. Of several others the user has to choose.

    Args:
        folder: The folder.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: No layout fits, or several do, or the files of the one that does are missing or ambiguous.
    """
    listing = list_folder(folder)
    candidates, doubts = find_candidates(listing)
    plain = PLAIN.find_evidence(listing)
    if plain:
        contents = PLAIN.read(listing, group_pattern)  # which groups DICOM files itself
        notes = tuple(_note_unread(candidate) for candidate in candidates if candidate.layout not in FOLDER_LAYOUTS)
        return replace(contents, notes=(*contents.notes, *notes), layout=PLAIN.title, evidence=plain)
    if (task := _task_of_public_set(listing)) is not None:
        raise CenetError(folder, "it is laid out as the data of another task", f"add --task {task}")
    if len(candidates) > 1:
        fits = " and ".join(f"{candidate.layout.name} ({candidate.evidence})" for candidate in candidates)
        options = " or ".join(f"--task {candidate.layout.name}" for candidate in candidates)
        raise CenetError(folder, f"it fits several layouts: {fits}", f"choose with {options}")
    if candidates:
        return read_layout(candidates[0].layout, listing, group_pattern, evidence=candidates[0].evidence)
    if doubts:
        raise doubts[0]
    if (folder / "images").is_dir():
        return read_plain_folder(folder, group_pattern=group_pattern)
    raise _not_recognised(listing)


def read_layout(layout: Layout, listing: FolderListing, group_pattern: str | None, *, evidence: str) -> DatasetContents:
    """Read a folder in a layout; DICOM files are grouped by what they state, unless someone has named the groups.

    Args:
        layout: The layout.
        listing: The folder.
        group_pattern: As for `read_recognised`.
        evidence: What shows the layout.

    Raises:
        CenetError: Its files are missing or ambiguous.
    """
    contents = layout.read(listing, group_pattern)
    samples = contents.samples  # a table may name the groups
    samples = samples if contents.grouping else group_dicom(samples, group_pattern=group_pattern)
    return replace(contents, samples=samples, layout=layout.title, evidence=evidence)


def find_candidates(listing: FolderListing) -> tuple[list[Candidate], list[CenetError]]:
    """Return the layouts that fit a folder, and the errors of those that could not decide.

    Args:
        listing: The folder.
    """
    candidates: list[Candidate] = []
    doubts: list[CenetError] = []
    for layout in LAYOUTS:
        try:
            evidence = layout.find_evidence(listing)
        except CenetError as error:
            doubts.append(error)
            continue
        if evidence:
            candidates.append(Candidate(layout, evidence))
    return candidates, doubts


def _task_of_public_set(listing: FolderListing) -> str | None:
    """Return the task of a public data set whose files these are, as distributed."""
    names = {path.name for path in listing.files}
    folders = {listing.name(path) for path in listing.folders}
    if "training/1st_manual" in folders:
        return "drive"
    if {"Image_01L.jpg", "Image_01L_1stHO.png"} <= names:
        return "chase"
    if {"images", "manual1", "mask"} <= folders:
        return "hrf"
    if any(path.parent.name == "boundaries" for path in listing.with_suffix(".npy")):
        return "oct"
    return "cells" if {"train-volume.tif", "train-labels.tif"} <= names else None


def _note_unread(candidate: Candidate) -> Note:
    name = candidate.layout.name
    return Note(
        f"layout {name}", f"its files are there too and are not read: {candidate.evidence}", f"use --task {name}"
    )


def _not_recognised(listing: FolderListing) -> CenetError:
    """Say what there is instead of a layout."""
    folders = listing.subfolders(listing.root)
    inside = listing.subfolders(folders[0]) if folders else []
    held = [f"{listing.name(path)}/" for path in (*folders[:1], *inside, *folders[1:])]
    held += [path.name for path in listing.files if path.parent == listing.root]
    contents = f"; it holds {format_list(held)}" if held else ""
    remedy = (
        "put images into images/ and their labels into masks/, or list them in a pairs.csv with the columns image and "
        "mask (`cenet tasks` lists the layouts that are recognised)"
    )
    return CenetError(listing.root, f"it has no folder images, and no other layout is recognised{contents}", remedy)
