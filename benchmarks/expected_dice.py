"""How well the expected Dice ranks masks, and how often the ranges of measurements hold the truth.

    python benchmarks/expected_dice.py
    python benchmarks/expected_dice.py --reports

Of real images it reads the committed reports, in which every image is scored by networks that were not trained on it.
Then it draws phantoms, clean and degraded, and predicts them with the released models for vessels. What is finished is
kept beside the result, so that the same command resumes after a stop. `--reports` reads the reports alone, and keeps
what is known of phantoms. Writes results/expected_dice.json.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from unfamiliar_images import CHANGES

import cenet
from cenet.data.io.read import read_image, read_label
from cenet.evaluation.report_files import LoadedEvaluation, load_evaluation
from cenet.inference.trust import estimate_prediction_dice, measure_prediction
from cenet.measurements import MaskToMeasure, measure_mask
from cenet.measurements.measure import HIGH, LOW, ODDS_FACTOR
from cenet.metrics import count, dice
from cenet.metrics.binned import CENTRES
from cenet.phantoms import write_phantoms

RESULTS = Path(__file__).parents[1] / "results"
RESULT = RESULTS / "expected_dice.json"
REPORTS = {
    "DRIVE": "drive-folds-cenet/region",
    "DRIVE, CHASE_DB1 and HRF": "vessels-folds",
    "vessels-open on DRIVE": "transfer/vessels-open-on-drive",
    "vessels-open on CHASE_DB1": "transfer/vessels-open-on-chase",
    "vessels-open on HRF": "transfer/vessels-open-on-hrf",
    "optic disc and cup": "disc-folds",
    "lungs": "lung-folds",
    "cell membranes": "tasks/cells",
}
MODELS = ("vessels-open", "vessels")
PHANTOMS, SEED, SIZE_PX = 8, 2026, 400
RESAMPLES = 2000
DEGRADED: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "clean": lambda image: image,
    "noise of 20 grey levels": lambda image: image + np.random.default_rng(0).normal(0, 20, image.shape),
    **{name: CHANGES[name] for name in ("blurred by 2 px", "a third as bright")},
    "inverted": lambda image: 255 - image,
}
MEASURED = ("clean", "noise of 20 grey levels", "blurred by 2 px")  # beyond these masks are nearly empty


def expect_dice_from_counts(evaluation: LoadedEvaluation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The expected and the true Dice of each image, the means over its classes.

    Args:
        evaluation: A report with the counted probabilities of its images; the mask holds the most probable pixels.
    """
    expected, true = [], []
    for counts in evaluation.counts:
        pixels = counts.histograms.sum(axis=1)[:, ::-1].astype(float)  # (images, BINS), the most probable first
        probabilities = CENTRES[::-1]
        tp, fp, fn = counts.confusion[:, 0, :3].T.astype(float)
        in_mask = np.diff(np.minimum(np.cumsum(pixels, axis=1), (tp + fp)[:, None]), axis=1, prepend=0)
        total = pixels @ probabilities
        expected.append(np.where(tp + fp > 0, 2 * (in_mask @ probabilities) / (total + tp + fp), 1 / (1 + total)))
        true.append(2 * tp / np.maximum(2 * tp + fp + fn, 1))
    return np.mean(expected, axis=0), np.mean(true, axis=0)


def summarise(
    expected: NDArray[np.float64], true: NDArray[np.float64], groups: Sequence[str]
) -> dict[str, float | int | list[float]]:
    """How well one ranks the other, and how far it is off.

    The interval of the rank correlation is of resampled groups.
    """
    rng, names = np.random.default_rng(0), np.array(groups)
    members = [np.flatnonzero(names == group) for group in dict.fromkeys(groups)]
    ranks = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([members[index] for index in rng.integers(0, len(members), len(members))])
        if np.ptp(expected[drawn]) > 0 and np.ptp(true[drawn]) > 0:
            ranks.append(spearmanr(expected[drawn], true[drawn]).statistic)
    worst = max(len(true) // 5, 1)
    listed, truly_worst = set(np.argsort(expected)[:worst]), set(np.argsort(true)[:worst])
    return {
        "images": len(true),
        "groups": len(members),
        "rank_correlation": round(float(spearmanr(expected, true).statistic), 3),
        "rank_interval": [round(float(end), 3) for end in np.percentile(ranks, (2.5, 97.5))],
        "expected": round(float(expected.mean()), 4),
        "true": round(float(true.mean()), 4),
        "mean_absolute_error": round(float(np.abs(expected - true).mean()), 4),
        "worst_fifth": worst,
        "worst_fifth_listed": len(listed & truly_worst),
    }


def summarise_reports() -> dict[str, dict[str, Any]]:
    """Each committed report."""
    rows = {}
    for title, folder in REPORTS.items():
        evaluation = load_evaluation(RESULTS / folder)
        groups = [image.group for image in evaluation.report.data.images]
        is_out_of_fold = evaluation.report.data.part == "out-of-fold"
        folds = f", {len(evaluation.report.runs)} folds" if is_out_of_fold else ""
        rows[title + folds] = {"report": folder, **summarise(*expect_dice_from_counts(evaluation), groups)}
    return rows


def summarise_areas() -> dict[str, dict[str, Any]]:
    """Of each class of each committed report: areas of masks, and the sums of probabilities, beside true areas."""
    rows = {}
    for title, folder in REPORTS.items():
        evaluation = load_evaluation(RESULTS / folder)
        for content, counts in zip(evaluation.report.classes, evaluation.counts, strict=True):
            pixels = counts.histograms.sum(axis=1).astype(float)
            tp, fp, fn = counts.confusion[:, 0, :3].T.astype(float)
            seen = tp + fn > 0
            pixels, mask, truth = pixels[seen], (tp + fp)[seen], (tp + fn)[seen]
            low, high = find_areas_over_thresholds(pixels, mask)
            rows[f"{title}: {content.name}"] = {
                "images": len(truth),
                "held": int(np.count_nonzero((low <= truth) & (truth <= high))),
                "range": round(float(np.median((high - low) / truth)), 3),
                "mask_error": round(float(np.median(np.abs(mask / truth - 1))), 3),
                "expected_error": round(float(np.median(np.abs(pixels @ CENTRES / truth - 1))), 3),
            }
    return rows


def find_areas_over_thresholds(
    pixels: NDArray[np.float64], mask: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest area over thresholds, from counted probabilities.

    Args:
        pixels: (images, BINS), how many have each probability.
        mask: (images,), the area of each mask, which says where its threshold is.
    """
    above = np.cumsum(pixels[:, ::-1], axis=1)[:, ::-1]  # pixels of each probability or a higher one
    thresholds = CENTRES[np.maximum((above >= mask[:, None]).sum(axis=1) - 1, 0)]
    odds = (thresholds / (1 - thresholds))[:, None] * np.array([ODDS_FACTOR, 1 / ODDS_FACTOR])
    moved = np.clip(np.searchsorted(CENTRES, odds / (1 + odds)), 0, len(CENTRES) - 1)
    low, high = np.take_along_axis(above, moved, axis=1).T
    return np.minimum(low, mask), np.maximum(high, mask)


def measure_views(predictor: Any, pixels: NDArray[np.uint8], region: NDArray[np.bool_]) -> list[dict[str, float]]:
    """What is measured of the mask of each flip and turn of an image of vessels."""
    values = []
    for view in predictor.all_views:
        predictor.views = (view,)
        mask = predictor(pixels).mask
        values.append(measure_mask(MaskToMeasure(mask, region=region), "vessels"))
    predictor.views = predictor.all_views[:1]
    return values


def predict_phantoms(done: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Predict and measure every phantom, degraded in every way, by every model; what is done is left out."""
    finished = {(row["model"], row["change"], row["phantom"]) for row in done}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "phantoms")
        write_phantoms(folder, task="vessels", count=PHANTOMS, seed=SEED, size_px=SIZE_PX)
        for model in MODELS:
            predictor = cenet.load(model, device="cpu")
            for change, degrade in DEGRADED.items():
                for path in sorted((folder / "images").iterdir()):
                    if (model, change, path.stem) in finished:
                        continue
                    clean, label = read_image(path), read_label(folder / "masks" / path.name) > 0
                    pixels = np.clip(degrade(clean.astype(float)), 0, 255).astype(np.uint8)
                    prediction = predictor(pixels)
                    row = {
                        "model": model,
                        "change": change,
                        "phantom": path.stem,
                        "expected": estimate_prediction_dice(prediction),
                        "true": float(dice(count(prediction.mask > 0, label))),
                        "unfamiliar": prediction.unfamiliar is not None,
                    }
                    if change in MEASURED:
                        region = read_label(folder / "regions" / path.name) > 0
                        truth = measure_mask(MaskToMeasure(label.astype(np.uint8), region=region), "vessels")
                        measured = measure_prediction(prediction, clean, "vessels", names=("vessel",))
                        row["measured"] = {
                            name: {"truth": value, "thresholds": [measured[name + LOW], measured[name + HIGH]]}
                            for name, value in truth.items()
                        }
                        if change == "clean":
                            views = measure_views(predictor, pixels, region)
                            for name, ranges in row["measured"].items():
                                ranges["views"] = [end(view[name] for view in views) for end in (min, max)]
                    yield row


def summarise_phantoms(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each model: how the expected Dice ranks all its phantoms, and how far it is off after each change."""
    summary: dict[str, Any] = {}
    for model in MODELS:
        own = [row for row in rows if row["model"] == model]
        expected, true = (np.array([row[name] for row in own]) for name in ("expected", "true"))
        changes = {}
        for change in DEGRADED:
            of_change = [row for row in own if row["change"] == change]
            changes[change] = {
                **{name: round(float(np.mean([row[name] for row in of_change])), 3) for name in ("expected", "true")},
                "unfamiliar": sum(row["unfamiliar"] for row in of_change),
                "images": len(of_change),
            }
        summary[model] = {**summarise(expected, true, [row["phantom"] for row in own]), "changes": changes}
    return summary


def summarise_ranges(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each model and change: in how many images the ranges of each value hold the truth's value."""
    summary: dict[str, Any] = {}
    for model in MODELS:
        for change in MEASURED:
            own = [row["measured"] for row in rows if row["model"] == model and row["change"] == change]
            for over in ("thresholds", "views") if change == "clean" else ("thresholds",):
                held = {
                    name: sum(_is_inside(image[name]["truth"], image[name][over]) for image in own) for name in own[0]
                }
                summary[f"{model}, {change}, {over}"] = {"images": len(own), "held": held}
    return summary


def _is_inside(value: float, ends: Sequence[float]) -> bool:
    low, high = ends
    return low <= value <= high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", action="store_true", help="read the reports alone")
    if parser.parse_args().reports:
        content = json.loads(RESULT.read_text(encoding="utf-8"))
        _write({**content, "out_of_fold": summarise_reports(), "areas": summarise_areas()})
        return
    kept = RESULT.with_suffix(".jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    for row in predict_phantoms(rows):
        rows.append(row)
        with kept.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{row['model']}, {row['change']}, {row['phantom']}: {row['expected']:.3f}, truly {row['true']:.3f}")
    _write(
        {
            "command": "python benchmarks/expected_dice.py",
            "out_of_fold": summarise_reports(),
            "phantoms": {"seed": SEED, "size_px": SIZE_PX, "models": summarise_phantoms(rows)},
            "areas": summarise_areas(),
            "ranges": summarise_ranges(rows),
        }
    )
    kept.unlink()


def _write(content: dict[str, Any]) -> None:
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
