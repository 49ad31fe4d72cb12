"""Pictures of single images for a page: what was seen, what is true, what was predicted, in layers."""

import base64
import functools
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import fingerprint
from cenet.data.io.write import class_colours, overlay
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.protocol import apply_protocol
from cenet.inference.predictor import AnyPredictor, EnsemblePredictor
from cenet.inference.run import Run

LARGEST_PX = 1200  # longest side of a picture on the page
_EACH_KIND = overlay(np.zeros((1, 3, 1), np.uint8), np.array([[1, 1, 0]]), label=np.array([[1, 0, 1]]))[0]


def select_examples(
    folder: Path, content: dict[str, Any], *, count: int, device: str, data: Path | None = None
) -> list[dict[str, Any]]:
    """Images evenly from the worst to the best Dice at the first cut, with the layers of those that are still there.

    Args:
        folder: Of the evaluation.
        content: Its report.
        count: How many.
        device: What predicts them.
        data: The folder with the images that were scored; the run's own by default.

    Returns:
        For each `title`, `name` and `dice` by class; whether it is `foreign` to the run; `layers` (None without the
        picture) with `data:` addresses of
        `image`, `truth`, `prediction` and `comparison`, `size_px` (width, height), and `colours` by class.

    >>> select_examples(Path(), {"data": {"task": "folder", "images": []}, "runs": [], "protocol": {"views": 1},
    ...              "classes": {"vessel": {"cuts": {"threshold 0.5": {}}, "images": []}}}, count=3, device="cpu")
    []
    """
    images, runs = content["data"]["images"], content["runs"]
    tta = content["protocol"]["views"] > 1

    @functools.cache
    def opened(*places: Path) -> tuple[Run, AnyPredictor, dict[str, Sample]]:
        return _opened(places, data, task=content["data"]["task"], device=device, tta=tta)

    key = f"dice @ {next(iter(next(iter(content['classes'].values()))['cuts']))}"
    dice = np.array([[row[key] for row in scores["images"]] for scores in content["classes"].values()], float)
    ranked = [int(index) for index in np.argsort(dice.mean(axis=0)) if np.isfinite(dice[:, index]).all()]
    last, folds = len(ranked) - 1, sorted({image.get("fold", 0) for image in images})
    cases = []
    count = max(min(count, len(ranked)), 0)
    for rank in sorted({place * last // max(count - 1, 1) for place in range(count)}):
        image = images[ranked[rank]]
        case: dict[str, Any] = {
            "title": {last // 2: "Median", last: "Best", 0: "Worst"}.get(rank, f"{last + 1 - rank} of {last + 1}"),
            "name": image["name"],
            "dice": dict(zip(content["classes"], dice[:, ranked[rank]].tolist(), strict=True)),
            "layers": None,
            "foreign": data is None and image.get("part", "test") is None,
        }
        some = [runs[folds.index(image["fold"]) * (len(runs) // len(folds))]] if "fold" in image else runs
        try:
            case |= _pictures(image, *opened(*(run_folder(folder, run) for run in some)), content)
        except CenetError as error:
            print(f"note: no picture of {image['name']}: {error}", file=sys.stderr)
        cases.append(case)
    return cases


def layer(mask: NDArray[Any], **options: Any) -> NDArray[np.uint8]:
    """What `cenet.data.io.write.overlay` paints, without the image under it: told by painting on black and on white.

    Args:
        mask: Class indices.
        options: As for `overlay`.

    Shape:
        (H, W) gives (H, W, 4), the last the opacity.

    >>> layer(np.eye(2, dtype=np.uint8)).tolist()[0]
    [[0, 238, 255, 255], [0, 0, 0, 0]]
    """
    black = np.zeros((*mask.shape, 3), np.uint8)
    on_black, on_white = (overlay(ground, mask, **options).astype(int) for ground in (black, black + np.uint8(255)))
    opacity = 255 - (on_white - on_black).max(axis=2, keepdims=True)
    colour = np.minimum(on_black * 255 // np.maximum(opacity, 1), 255)
    return np.concatenate([colour, opacity], axis=2).astype(np.uint8)


def run_folder(folder: Path, run: dict[str, Any]) -> Path:
    """Where a run lies: beside the report as it says, or around its evaluation."""
    places = (folder / run["folder"], folder.resolve().parent)
    return next((place for place in places if (place / "run.json").is_file()), places[0])


def _opened(
    places: Sequence[Path], data: Path | None, *, task: str, device: str, tta: bool
) -> tuple[Run, AnyPredictor, dict[str, Sample]]:
    """A run, it or the ensemble of several ready to predict, and the images there are, by name."""
    members = [Run(place) for place in places]
    run = members[0]
    if data is None and run.facts.data is None:
        raise CenetError(run.path, "does not know where its images are", "report a run that was trained here")
    folder = data or Path(str(run.facts.data))
    samples = TASKS[task].read(folder, group_pattern=None if data else run.facts.group_pattern)
    engines = [member.predictor(device=device, tta=tta) for member in members]
    engine = engines[0] if len(engines) == 1 else EnsemblePredictor(engines)
    return run, engine, {sample.name: sample for sample in samples}


def _pictures(
    image: dict[str, Any], run: Run, predictor: AnyPredictor, samples: dict[str, Sample], content: dict[str, Any]
) -> dict[str, Any]:
    """Size, colours and layers of one image."""
    name, known = image["name"], content["data"].get("labels")
    labels = LabelEncoding.model_validate(known) if known else run.facts.labels
    pixels, label, region = load_sample(samples[name], labels) if name in samples else (None, None, None)
    if pixels is None or fingerprint(pixels) != image["fingerprint"]:
        if image.get("part", "test") is None:  # the run does not know it
            raise CenetError(run.path, "was scored on other images than the run's own", "no pictures")
        raise CenetError(name, "the image that was scored is not where the run knows it any more", "put it back")
    if label is None:
        raise CenetError(samples[name].image, "has no label any more", "put it back")
    protocol, colours = content["protocol"]["name"], labels.colours if labels else ()
    looked = apply_protocol(protocol, predictor, pixels, label=label, region=region, name=name)
    mask, seen = looked.mask, looked.seen
    counted = np.where(seen[0].inside, label, IGNORED)
    if image.get("label_fingerprint", fingerprint(counted)) != fingerprint(counted):
        raise CenetError(samples[name].label[0], "is not the label that was scored", "put that one back")
    layers = {
        "image": _encoded(overlay(pixels, np.zeros_like(mask)), "JPEG"),
        "truth": _encoded(layer(np.where(label == IGNORED, 0, label), colours=colours)),
        "prediction": _encoded(layer(mask, colours=colours)),
        "comparison": _encoded(layer(mask, label=counted)),
    }
    table = _hex(class_colours(len(content["classes"]) + 1, colours)[1:])
    size = mask.shape[1], mask.shape[0]
    return {"layers": layers, "size_px": size, "colours": dict(zip(content["classes"], table, strict=True))}


def _encoded(pixels: NDArray[np.uint8], form: str = "PNG") -> str:
    """A picture as `data:` address, no larger than a screen needs."""
    from PIL import Image

    picture, content = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((LARGEST_PX, LARGEST_PX))
    picture.save(content, form, optimize=True, quality=88)
    return f"data:image/{form.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def _hex(colours: NDArray[np.uint8]) -> list[str]:
    return [f"#{colour.tobytes().hex()}" for colour in colours]


COMPARED = dict(zip(("found", "found wrongly", "missed"), _hex(_EACH_KIND), strict=True))
