"""The cases of a page: images from the worst to the best, with what was predicted drawn over them in layers.

An evaluation keeps some of its images (see `cenet.evaluation.cases`); neither network nor data set is needed here.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.outputs import OutputFolder
from cenet.data.io.write import hex_colours, overlay, write_overlay
from cenet.data.labels.inspect import IGNORED
from cenet.evaluation.cases import FOLDER as CASES_FOLDER
from cenet.evaluation.cases import Case, load_case, nearest_kept, rank_images, spread_evenly
from cenet.evaluation.report import EvaluationReport

LARGEST_PX = 1200  # longest side of an image on the page


@dataclass(frozen=True)
class CaseView:
    """An image as the page shows it.

    Args:
        title: Its place among all images: Worst, Median, Best, or such as "4 of 20".
        name: Its name.
        size_px: Width and height.
        dice: Its Dice at the first threshold, by class.
        layers: `data:` addresses of `image`, `truth`, `prediction` and `comparison`; empty where it was not kept.
    """

    title: str
    name: str
    size_px: tuple[int, int]
    dice: Mapping[str, float]
    layers: Mapping[str, str]


def load_cases(report: EvaluationReport, *, count: int) -> tuple[CaseView, ...]:
    """Images evenly from the worst to the best Dice, of those that the evaluation kept; of none, only names and scores.

    Args:
        report: The evaluation, with the folder that it was read from.
        count: How many.

    Raises:
        CenetError: A kept image is corrupted.
    """
    assert report.folder is not None  # it was read from there
    ranked = rank_images(report)
    kept_names = {path.stem for path in (report.folder / CASES_FOLDER).glob("*.npz")}
    kept = [rank for rank, index in enumerate(ranked) if report.data.images[index].name in kept_names]
    ranks = nearest_kept(kept, len(ranked), count) if kept else spread_evenly(range(len(ranked)), count)
    return tuple(_view_case(report, report.folder, ranked[rank], _rank_title(rank, len(ranked))) for rank in ranks)


def write_overlays(report: EvaluationReport, output: OutputFolder, *, count: int, only_missing: bool = False) -> None:
    """Write `NAME_overlay.png` of the images with the smallest Dice beside the report, in place of its earlier ones.

    Args:
        report: The evaluation, with the folder that it was saved in.
        output: That folder.
        count: How many.
        only_missing: Write only those that are not there.

    Raises:
        CenetError: A kept image is corrupted, or the folder cannot be written.
    """
    names = [report.data.images[index].name for index in rank_images(report)[: max(count, 0)]]
    output.remove_earlier("*_overlay.png", keep=[f"{name}_overlay.png" for name in names])
    for name in names:
        if only_missing and output.exists(f"{name}_overlay.png"):
            continue
        case = load_case(output.path, name)
        if case is not None:
            with output.open(f"{name}_overlay.png") as file:
                write_overlay(file, case.image, case.mask, label=_find_counted(case))


def list_class_colours(report: EvaluationReport) -> dict[str, str]:
    """The colour of each class in the layers `truth` and `prediction`, as HTML writes it.

    Args:
        report: The evaluation.
    """
    colours = report.data.labels.colours if report.data.labels else ()
    names = [of_class.name for of_class in report.classes]
    return dict(zip(names, hex_colours(len(names), colours), strict=True))


def draw_layer(
    mask: NDArray[np.uint8], *, label: NDArray[np.uint8] | None = None, colours: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """What `cenet.data.io.write.overlay` draws, without the image under it: found by drawing on black and on white.

    Args:
        mask: Class indices (H, W) of the prediction.
        label: Class indices (H, W) of the truth.
        colours: As for `cenet.data.io.write.class_colours`.

    Shape:
        (H, W, 4), the last the opacity.

    >>> draw_layer(np.eye(2, dtype=np.uint8)).tolist()[0]
    [[0, 238, 255, 255], [0, 0, 0, 0]]
    """
    black = np.zeros((*mask.shape, 3), np.uint8)
    on_black = overlay(black, mask, label=label, colours=colours).astype(int)
    on_white = overlay(black + np.uint8(255), mask, label=label, colours=colours).astype(int)
    opacity = 255 - (on_white - on_black).max(axis=2, keepdims=True)
    colour = np.minimum(on_black * 255 // np.maximum(opacity, 1), 255)
    return np.concatenate([colour, opacity], axis=2).astype(np.uint8)


def _view_case(report: EvaluationReport, folder: Path, index: int, title: str) -> CaseView:
    image = report.data.images[index]
    case = load_case(folder, image.name)
    return CaseView(
        title=title,
        name=image.name,
        size_px=image.size_px,
        dice={of_class.name: of_class.images[index].thresholds[0].scores["dice"] for of_class in report.classes},
        layers=_draw_layers(case, report.data.labels.colours if report.data.labels else ()) if case else {},
    )


def _rank_title(rank: int, count: int) -> str:
    """What a place in the ranking is called; ranks count from the worst.

    >>> [_rank_title(rank, 5) for rank in range(5)]
    ['Worst', '4 of 5', 'Median', '2 of 5', 'Best']
    """
    if rank == 0:
        return "Worst"
    if rank == (count - 1) // 2:
        return "Median"
    return "Best" if rank == count - 1 else f"{count - rank} of {count}"


def _draw_layers(case: Case, colours: Sequence[str]) -> dict[str, str]:
    background = np.zeros_like(case.mask)
    truth = np.where(case.label == IGNORED, 0, case.label)
    return {
        "image": _encode(overlay(case.image, background), "JPEG"),
        "truth": _encode(draw_layer(truth, colours=colours), "PNG"),
        "prediction": _encode(draw_layer(case.mask, colours=colours), "PNG"),
        "comparison": _encode(draw_layer(case.mask, label=_find_counted(case)), "PNG"),
    }


def _find_counted(case: Case) -> NDArray[np.uint8]:
    """The truth where it counts; outside the region, nothing is right or wrong."""
    return np.where(case.inside, case.label, np.uint8(IGNORED))


def _encode(pixels: NDArray[np.uint8], file_format: str) -> str:
    """An image as `data:` address, no larger than a screen needs."""
    from PIL import Image

    image, content = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((LARGEST_PX, LARGEST_PX))
    image.save(content, file_format, optimize=True, quality=88)
    return f"data:image/{file_format.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def _to_hex(colour: NDArray[np.uint8]) -> str:
    return f"#{colour.tobytes().hex()}"


def _find_comparison_colours() -> dict[str, str]:
    """The colours in which `overlay` draws what is right and wrong."""
    pixels = overlay(np.zeros((1, 3, 1), np.uint8), np.array([[1, 1, 0]]), label=np.array([[1, 0, 1]]))[0]
    return dict(zip(("correct", "false positive", "missed"), map(_to_hex, pixels), strict=True))


COMPARISON_COLOURS = _find_comparison_colours()
