"""Reports of made-up scores, without images, so that the truth about every difference is known."""

import json

import numpy as np
from sklearn.metrics import roc_auc_score

from cenet.data.io.outputs import OutputFolder
from cenet.evaluation.build_report import build_image_scores
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import (
    ClassReport,
    Cost,
    DatasetInfo,
    EvaluationReport,
    ImageInfo,
    ProtocolInfo,
    RunInfo,
    TaskMetricScores,
    ThresholdScores,
)
from cenet.evaluation.report_files import LoadedEvaluation, save_evaluation
from cenet.metrics import Counts
from cenet.metrics.binned import BINS, histogram

PIXELS = 400
THRESHOLD = "validation threshold"


def write_report(
    place,
    name,
    *,
    skill=2.0,
    groups=6,
    seed=0,
    images=None,
    share=0.3,
    order=None,
    classes=("vessel",),
    folder=None,
    folds=None,
    parts=None,
    views=1,
    protocol="region",
    task="drive",
    part="test",
    task_metrics=None,
):
    """Write the folder of a report; `skill` is how far foreground scores lie above those of the background.

    `folds` and `parts` are those of the images, and `task_metrics` are values by metric, all in the order of `images`.
    """
    folder = folder or place / name
    images = images or [f"eye-{index}" for index in range(groups)]
    order = list(order or range(len(images)))
    parts = parts or [part if part in ("train", "validation") else "test"] * len(images)
    counts = [count_class(name, [images[index] for index in order], skill, seed, share) for name in classes]
    report = EvaluationReport(
        commands=("cenet evaluate",),
        protocol=ProtocolInfo(name=protocol, description="inside the region", views=views),
        data=DatasetInfo(
            name="EYES",
            task=task,
            part=part,
            groups=len({image.split("_")[0] for image in images}),
            images=tuple(
                ImageInfo(
                    name=images[index],
                    group=images[index].split("_")[0],
                    part=parts[index],
                    fingerprint=f"print of {images[index]}",
                    label_fingerprint=f"label of {images[index]}",
                    size_px=(20, 20),
                    seconds=0.1,
                    fold=folds[index] if folds else None,
                )
                for index in order
            ),
        ),
        runs=(
            RunInfo(
                name=name,
                recipe="drive",
                network="unet",
                parameters=1_000_000,
                started_from="random weights",
                seed=0,
                thresholds=(0.5,),
            ),
        ),
        cost=Cost(
            parameters=1_000_000,
            multiply_adds_per_image=2.5e9,
            seconds_per_image=0.1,
            peak_memory_mib=300.0,
            training_seconds=None,
            device="cpu",
        ),
        classes=tuple(describe_class(name, of_class) for name, of_class in zip(classes, counts, strict=True)),
        task_metrics=tuple(
            TaskMetricScores(metric=metric, values=tuple(values[index] for index in order))
            for metric, values in (task_metrics or {}).items()
        ),
    )
    save_evaluation(OutputFolder(folder, verb="evaluate"), LoadedEvaluation(report, tuple(counts)))
    return folder


def count_class(name, images, skill, seed, share):
    """Counts of one class, whose truth depends on the images' names alone."""
    confusions, histograms, aucs = [], [], []
    for image in images:
        of_image = [ord(letter) for letter in f"{name}{image}"]
        truth = np.random.default_rng(of_image).random(PIXELS) < share
        noise = np.random.default_rng([seed, *of_image]).normal(0, 1.5, PIXELS)
        scores = 1 / (1 + np.exp(-(skill * (truth - 0.5) + noise)))
        confusions.append([confusion(scores >= 0.5, truth)])
        histograms.append(histogram(scores, truth))
        aucs.append(roc_auc_score(truth, scores) if truth.any() else np.nan)
    return PixelCounts(
        images=tuple(images),
        groups=tuple(image.split("_")[0] for image in images),
        auc=np.array(aucs),
        thresholds=(THRESHOLD,),
        confusion=np.array(confusions, np.int64),
        histograms=np.array(histograms),
        edges=np.zeros((len(images), 2, BINS), np.uint32),
        before=np.zeros((2, BINS), np.int64),
        edges_before=np.zeros((2, BINS), np.int64),
    )


def describe_class(name, counts):
    """The report of a class with the scores of its images only, as intervals take long."""
    totals = Counts(*counts.confusion[:, 0].sum(axis=0).tolist())
    return ClassReport(
        name=name,
        pixels=int(counts.histograms.sum()),
        share=float(counts.histograms[:, 1].sum() / counts.histograms.sum()),
        pooled={},
        per_image={},
        thresholds=(ThresholdScores(name=THRESHOLD, pooled={}, per_image={}, counts=totals),),
        before_calibration={},
        images=build_image_scores(counts),
    )


def confusion(mask, truth):
    return (mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()


def read_json(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def change(folder, **sections):
    """Change fields of a report's sections, such as `protocol={"name": "frame"}`."""
    report = read_json(folder)
    for section, changes in sections.items():
        report[section] |= changes
    return write_json(folder, report)


def change_images(folder, **columns):
    """Change fields of a report's images, such as `fold=[0, 1, 0]`."""
    report = read_json(folder)
    for field, values in columns.items():
        for image, value in zip(report["data"]["images"], values, strict=True):
            image[field] = value
    return write_json(folder, report)


def write_json(folder, report):
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder
