"""Evaluations as `cenet evaluate` writes them, of drawn images and made-up predictions: no network computes."""

from collections import Counter
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from cenet.config.presets import RECIPES
from cenet.data.io.read import fingerprint
from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_sample
from cenet.data.splits import Split
from cenet.datasets.registry import TASKS
from cenet.evaluation.scores import OVERLAP, PixelCounts, class_scores, of_counts
from cenet.evaluation.tables import write_report
from cenet.experiments.cross_validation import _over_folds
from cenet.inference.predictor import Prediction
from cenet.inference.run import Run, RunMetadata
from cenet.metrics.binned import histogram, roc_auc_of
from cenet.phantoms import write_phantoms

CUTS = {"validation threshold 0.4": 0.4, "threshold 0.5": 0.5}
PROTOCOL = {"name": "region", "description": "original resolution, only pixels inside the region", "views": 1}
ENVIRONMENT = {"python": "3.11.7", "cenet": "0.1.0", "system": "Linux x86_64", "device": "cpu"}


def probabilities(label, *, seed=0, skill=1.0):
    """What a network of some skill might say of a vessel drawing."""
    rng = np.random.default_rng(seed)
    near = gaussian_filter(label.astype(float), 0.7)
    noise = gaussian_filter(rng.standard_normal(label.shape), 1.0) * 7
    logit = skill * (11 * near - 5.5) + noise
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def tally_of(name, group, label, region, scores):
    """What an image adds, counted as an evaluation does."""
    truth, inside = label[region] > 0, scores[region]
    row = {"image": name, "group": group}
    counts = histogram(inside, truth)
    row["auc"] = float(roc_auc_of(counts))
    for cut, threshold in CUTS.items():
        mask = inside >= threshold
        four = [(mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()]
        row |= {f"{key} @ {cut}": int(value) for key, value in zip(("tp", "fp", "fn", "tn"), four, strict=True)}
        row |= {f"{key} @ {cut}": float(of_counts(metric)(np.array([four]))[0]) for key, metric in OVERLAP.items()}
    edges = gaussian_filter((label > 0).astype(float), 1.5)[region]
    near = (edges > 0.02) & (edges < 0.98)
    sharper = 1 / (1 + ((1 - inside) / np.maximum(inside, 1e-6)) ** 1.8)
    some = np.float32
    return PixelCounts(
        [row],
        counts[None],
        histogram(inside[near], truth[near])[None],
        histogram(sharper.astype(some), truth),
        histogram(sharper[near].astype(some), truth[near]),
    )


def run_entry(name, folder, *, fold=0, epochs=12, **more):
    """What a report says of a run."""
    rng = np.random.default_rng(fold)
    curve = [
        {
            "epoch": str(epoch),
            "step": str(25 * (epoch + 1)),
            "loss": f"{1.2 * 0.75**epoch + 0.25 + 0.02 * rng.standard_normal():.4f}",
            "learning_rate": "0.001",
            "validation_dice": f"{0.8 - 0.5 * 0.6**epoch + 0.01 * rng.standard_normal():.4f}" if epoch % 2 else "",
            "validation_threshold": "0.4",
            "seconds": "55",
        }
        for epoch in range(epochs)
    ]
    settings = {**RECIPES["drive"].model_dump(mode="json"), "seed": fold}
    entry = {
        "name": name,
        "folder": folder,
        "recipe": "drive",
        "network": "cenet",
        "parameters": 29005531,
        "started_from": "bundled: resnet34-preact-imagenet.safetensors",
        "seed": fold,
        "steps": 25 * epochs,
        "epoch": 9,
        "thresholds": [0.4],
        "calibration": [[0.82, -0.11]],
        "validation_dice": 0.7934,
        "unverified": ["weight_decay", "loss"],
        "settings": settings,
        "labels": "0 -> background, 255 -> vessel",
        "split": {"train": 12, "validation": 3, "test": 5},
        "class_share": {"vessel": 0.11},
        "environment": {**ENVIRONMENT, "precision": "bf16-mixed"},
        "curve": curve,
        "test_scored": 2,
        "command": "cenet train drive --data eyes --output runs/eyes",
    }
    return {**entry, **more}


def write_evaluation(
    folder, *, images=7, size_px=96, classes=("vessel",), folds=0, data=None, names=None, part="test", **more
):
    """Write an evaluation of drawn vessels; with `data` of the images there, else of some that are not kept."""
    if data is None:
        data = folder.parent / f"{folder.name}-images"
        write_phantoms(data, task="vessels", count=images, seed=5, size_px=size_px)
    samples = TASKS["folder"].read(data)[:images]
    labels = detect_encoding(samples, num_classes=1)
    rows, tallies = [], []
    for index, sample in enumerate(samples):
        image, label, region = load_sample(sample, labels)
        name = names[index] if names else sample.name
        rows.append(
            {
                "name": name,
                "group": f"patient {index}",
                "part": part,
                "fingerprint": fingerprint(image),
                "label_fingerprint": fingerprint(np.where(region, label, IGNORED)),
                "size_px": [image.shape[1], image.shape[0]],
                "seconds": 0.4 + index / 100,
                **({"fold": index % folds} if folds else {}),
            }
        )
        skill = 0.6 + 0.5 * index / images
        tallies.append(
            [
                tally_of(
                    name, f"patient {index}", label, region, probabilities(label, seed=index + 50 * k, skill=skill)
                )
                for k in range(len(classes))
            ]
        )
    counted = [PixelCounts.of(each) for each in zip(*tallies, strict=True)]
    scores = {name: class_scores(each) for name, each in zip(classes, counted, strict=True)}
    for number, each in enumerate(scores.values() if folds else ()):
        each["folds"] = _over_folds(
            [PixelCounts.of([of[number] for of in tallies[fold::folds]]) for fold in range(folds)]
        )
    runs = [run_entry(f"fold-{fold}", f"../fold-{fold}", fold=fold) for fold in range(folds)] or [
        run_entry("eyes", "..")
    ]
    report = {
        "format": 2,
        "commands": ["cenet train drive --data eyes --output runs/eyes", "cenet evaluate runs/eyes --split test"],
        "protocol": PROTOCOL,
        "data": {
            "name": "eyes",
            "task": "folder",
            "part": "out-of-fold" if folds else "test",
            "groups": len(samples),
            "labels": labels.model_dump(mode="json"),
            "images": rows,
        },
        "runs": runs,
        "cost": {
            "parameters": 29005531,
            "multiply_adds_per_image": 3.1e11,
            "seconds_per_image": 0.43,
            "peak_memory_mib": 1812.4,
            "training_seconds": 660.0,
            "device": "cpu",
        },
        "classes": scores,
        "environment": ENVIRONMENT,
    }
    report = {**report, **more}
    write_report(folder, report, counted)
    return report


def write_run(path, data, *, parts=(0.6, 0.8)):
    """Write a run folder that knows its images, without weights; `Clairvoyant` predicts in their place."""
    samples = TASKS["folder"].read(data)
    names = [sample.name for sample in samples]
    first, second = (int(share * len(names)) for share in parts)
    split = Split(
        {"train": tuple(names[:first]), "validation": tuple(names[first:second]), "test": tuple(names[second:])},
        {name: name for name in names},
        {sample.name: fingerprint(load_sample(sample)[0]) for sample in samples},
    )
    facts = RunMetadata(
        command="cenet train drive",
        started_from="random weights",
        in_channels=3,
        labels=detect_encoding(samples, num_classes=1),
        data=str(Path(data).resolve()),
        classes=("vessel",),
    )
    return Run.create(path, RECIPES["drive"], facts, split=split)


class Clairvoyant:
    """Stands where a predictor does: it looks up the truth of an image, and errs."""

    def __init__(self, data):
        samples = TASKS["folder"].read(data)
        labels = detect_encoding(samples, num_classes=1)
        self.known = {
            fingerprint(image): label for image, label, _ in (load_sample(sample, labels) for sample in samples)
        }
        self.seen = Counter()

    def predict_raw_and_calibrated(self, image, *, name):
        self.seen[name] += 1
        found = probabilities(self.known[fingerprint(image)], skill=0.8)[None]
        return found, Prediction(found, (0.4,))
