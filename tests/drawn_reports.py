"""Evaluations as `cenet evaluate` saves them, of drawn images and made-up predictions: no network computes."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.ndimage import gaussian_filter

from cenet.config.presets import RECIPES
from cenet.data.io.outputs import OutputFolder
from cenet.data.io.read import fingerprint
from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_sample
from cenet.data.splits import Split
from cenet.datasets.registry import TASKS
from cenet.evaluation.build_report import build_report
from cenet.evaluation.cases import Case, keep_cases, save_case
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import Cost, CurveRow, DatasetInfo, ImageInfo, ProtocolInfo, RunInfo
from cenet.evaluation.report_files import LoadedEvaluation, save_evaluation
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.metrics.binned import histogram, roc_auc_of
from cenet.phantoms import write_phantoms

THRESHOLDS = {"validation threshold": 0.4, "threshold 0.5": 0.5}
PROTOCOL = ProtocolInfo(name="region", description="original resolution, only pixels inside the region", views=1)
ENVIRONMENT = {"python": "3.11.7", "cenet": "0.1.0", "system": "Linux x86_64", "device": "cpu"}
COST = Cost(
    parameters=29005531,
    multiply_adds_per_image=3.1e11,
    seconds_per_image=0.43,
    peak_memory_mib=1812.4,
    training_seconds=660.0,
    device="cpu",
)


def draw_probabilities(label, *, seed=0, skill=1.0):
    """What a network of some skill might say of a vessel drawing."""
    rng = np.random.default_rng(seed)
    near = gaussian_filter(label.astype(float), 0.7)
    noise = gaussian_filter(rng.standard_normal(label.shape), 1.0) * 7
    logit = skill * (11 * near - 5.5) + noise
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def count_image(name, group, label, region, scores):
    """What an image adds, counted as an evaluation does."""
    truth, inside = label[region] > 0, scores[region]
    masks = [inside >= threshold for threshold in THRESHOLDS.values()]
    confusion = [
        [(mask & truth).sum(), (mask & ~truth).sum(), (~mask & truth).sum(), (~mask & ~truth).sum()] for mask in masks
    ]
    edges = gaussian_filter((label > 0).astype(float), 1.5)[region]
    near = (edges > 0.02) & (edges < 0.98)
    sharper = (1 / (1 + ((1 - inside) / np.maximum(inside, 1e-6)) ** 1.8)).astype(np.float32)
    return PixelCounts(
        images=(name,),
        groups=(group,),
        auc=np.array([float(roc_auc_of(histogram(inside, truth)))]),
        thresholds=tuple(THRESHOLDS),
        confusion=np.array([confusion], np.int64),
        histograms=histogram(inside, truth)[None],
        edges=histogram(inside[near], truth[near])[None],
        before=histogram(sharper, truth).astype(np.int64),
        edges_before=histogram(sharper[near], truth[near]).astype(np.int64),
    )


def run_info(name, folder, *, fold=0, epochs=12, **changes):
    """What a report says of a run."""
    rng = np.random.default_rng(fold)
    curve = tuple(
        CurveRow(
            epoch=epoch,
            step=25 * (epoch + 1),
            loss=round(1.2 * 0.75**epoch + 0.25 + 0.02 * rng.standard_normal(), 4),
            learning_rate=0.001,
            validation_dice=round(0.8 - 0.5 * 0.6**epoch + 0.01 * rng.standard_normal(), 4) if epoch % 2 else np.nan,
            validation_thresholds=(0.4,) if epoch % 2 else (),
            seconds=55,
        )
        for epoch in range(epochs)
    )
    fields = {
        "name": name,
        "folder": folder,
        "recipe": "drive",
        "network": "cenet",
        "parameters": 29005531,
        "started_from": "bundled: resnet34-preact-imagenet.safetensors",
        "seed": fold,
        "steps": 25 * epochs,
        "epoch": 9,
        "thresholds": (0.4,),
        "calibration": ((0.82, -0.11),),
        "validation_dice": 0.7934,
        "unverified": ("weight_decay", "loss"),
        "settings": {**RECIPES["drive"].model_dump(mode="json"), "seed": fold},
        "labels": "0 -> background, 255 -> vessel",
        "split": {"train": 12, "validation": 3, "test": 5},
        "class_share": {"vessel": 0.11},
        "environment": {**ENVIRONMENT, "precision": "bf16-mixed"},
        "curve": curve,
        "test_scored": 2,
        "command": "cenet train drive --data eyes --output runs/eyes",
    }
    return RunInfo(**{**fields, **changes})


@cache
def draw_eyes(size_px):
    """The files of some drawn eyes: drawing takes most of the time of an evaluation."""
    with TemporaryDirectory() as folder:
        write_phantoms(Path(folder, "eyes"), task="vessels", count=12, seed=5, size_px=size_px)
        return {path.relative_to(folder).parts[1:]: path.read_bytes() for path in Path(folder).rglob("*.png")}


def write_eyes(folder, *, count, size_px):
    for (part, name), content in draw_eyes(size_px).items():
        if name < f"fundus-{count:03}":
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / name).write_bytes(content)


def write_evaluation(
    folder,
    *,
    images=7,
    size_px=96,
    classes=("vessel",),
    folds=0,
    data=None,
    names=None,
    part="test",
    runs=None,
    task_metrics=None,
    cases=True,
    **changes,
):
    """Write an evaluation of drawn vessels; with `data` of the images there. `changes` are fields of the report.

    Returns:
        The evaluation, as `load_evaluation` would read it.
    """
    if data is None:
        data = folder.parent / f"{folder.name}-images"
        write_eyes(data, count=images, size_px=size_px)
    samples = TASKS["folder"].read(data)[:images]
    labels = detect_encoding(samples, num_classes=1)
    infos, counts, drawn = [], [], {}
    for index, sample in enumerate(samples):
        image, label, region = load_sample(sample, labels)
        name, group = names[index] if names else sample.name, f"patient {index}"
        infos.append(
            ImageInfo(
                name=name,
                group=group,
                part=part,
                fingerprint=fingerprint(image),
                label_fingerprint=fingerprint(np.where(region, label, IGNORED)),
                size_px=(image.shape[1], image.shape[0]),
                seconds=0.4 + index / 100,
                fold=index % folds if folds else None,
            )
        )
        skill = 0.6 + 0.5 * index / images
        scores = [draw_probabilities(label, seed=index + 50 * k, skill=skill) for k in range(len(classes))]
        counts.append([count_image(name, group, label, region, probabilities) for probabilities in scores])
        mask = (scores[0] >= 0.4).astype(np.uint8)
        drawn[name] = Case(
            image,
            label,
            region,
            mask,
            np.stack([np.rint(255 * probabilities) for probabilities in scores]).astype(np.uint8),
        )
    fold_runs = [run_info(f"fold-{fold}", f"../fold-{fold}", fold=fold) for fold in range(folds)]
    evaluation = build_report(
        commands=("cenet train drive --data eyes --output runs/eyes", "cenet evaluate runs/eyes --split test"),
        protocol=PROTOCOL,
        data=DatasetInfo(
            name="eyes",
            task="folder",
            part="out-of-fold" if folds else "test",
            groups=len(samples),
            labels=labels,
            images=tuple(infos),
        ),
        runs=runs or fold_runs or [run_info("eyes", "..")],
        cost=COST,
        class_names=classes,
        counts=[PixelCounts.concatenate(of_class) for of_class in zip(*counts, strict=True)],
        task_metrics=task_metrics,
        environment=ENVIRONMENT,
    )
    report = evaluation.report.model_copy(update=changes)
    if cases:
        source = folder.parent / f"{folder.name}-cases"
        for name, case in drawn.items():
            save_case(source / f"{name}.npz", case)
        keep_cases(report, source, OutputFolder(folder, verb="evaluate"), worst=3)
    saved = LoadedEvaluation(report, evaluation.counts, evaluation.task_metrics)
    return save_evaluation(OutputFolder(folder, verb="evaluate"), saved)


def write_run(path, data, *, parts=(0.6, 0.8)):
    """Write a run folder that knows its images, without weights."""
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
