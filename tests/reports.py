"""Reports of made-up scores, without images, so that the truth about every difference is known."""

import json

import numpy as np
from sklearn.metrics import roc_auc_score

from cenet.evaluation.scores import OVERLAP, PixelCounts, save_histograms
from cenet.metrics import Counts
from cenet.metrics.binned import BINS, histogram

PIXELS = 400
CUT = "validation threshold 0.5"


def write_report(
    place,
    name,
    *,
    skill=2.0,
    groups=8,
    seed=0,
    images=None,
    share=0.3,
    order=None,
    classes=("vessel",),
    folder=None,
    **data,
):
    """Write the folder of a report; `skill` is how far foreground scores lie above those of the background."""
    folder = folder or place / name
    folder.mkdir(parents=True)
    images = images or [f"eye-{index}" for index in range(groups)]
    tallies, sections = [], {}
    for each in classes:
        rows, histograms = [], []
        for image in images:
            of_image = [ord(letter) for letter in f"{each}{image}"]
            truth = np.random.default_rng(of_image).random(PIXELS) < share
            noise = np.random.default_rng([seed, *of_image]).normal(0, 1.5, PIXELS)
            scores = 1 / (1 + np.exp(-(skill * (truth - 0.5) + noise)))
            mask = scores >= 0.5
            counts = dict(zip(("tp", "fp", "fn", "tn"), map(int, confusion(mask, truth)), strict=True))
            rows.append(
                {
                    "image": image,
                    "group": image.split("_")[0],
                    "auc": roc_auc_score(truth, scores) if truth.any() else None,
                    **{f"{key} @ {CUT}": value for key, value in counts.items()},
                    **{f"{key} @ {CUT}": metric(Counts(**counts)) for key, metric in OVERLAP.items()},
                }
            )
            histograms.append(histogram(scores, truth))
        places = order or range(len(images))
        tallies.append(
            PixelCounts(
                [rows[place] for place in places],
                np.array(histograms)[list(places)],
                *(np.zeros(shape, np.uint32) for shape in ((len(images), 2, BINS), (2, BINS), (2, BINS))),
            )
        )
        sections[each] = {
            "pixels": PIXELS * len(images),
            "share": float(tallies[-1].histograms[:, 1].sum() / PIXELS / len(images)),
            "cuts": {CUT: {}},
            "images": tallies[-1].rows,
        }
    report = {
        "format": 2,
        "protocol": {"name": "region", "description": "inside the region", "views": data.pop("views", 1)},
        "data": {
            "name": "EYES",
            "task": "drive",
            "part": "test",
            "groups": len({image.split("_")[0] for image in images}),
            "images": [
                {
                    "name": images[place],
                    "group": images[place].split("_")[0],
                    "fingerprint": f"print of {images[place]}",
                }
                for place in order or range(len(images))
            ],
            **data,
        },
        "runs": [{"name": name, "thresholds": [0.5], "started_from": "random weights"}],
        "cost": {
            "parameters": 1_000_000,
            "multiply_adds_per_image": 2.5e9,
            "seconds_per_image": 0.1,
            "peak_memory_mib": 300.0,
            "training_seconds": None,
            "device": "cpu",
        },
        "classes": sections,
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    save_histograms(folder / "histograms.npz", tallies)
    return folder


def confusion(mask, truth):
    return (mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()


def change(folder, **sections):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for section, changes in sections.items():
        report[section] |= changes
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder
