"""A released model of a tiny network, for tests of everything that takes a model's name."""

import json
import shutil

from cenet.inference.run import Run
from cenet.models.model_info import MODEL, ModelInfo, ReleasedScore, Reproduction, TrainingSet

INFO = ModelInfo(
    name="tiny-eyes",
    version="1.0",
    title="lines on noise",
    task="folder",
    recipe="folder",
    licence="Apache-2.0",
    data=(TrainingSet(name="Drawn eyes", images=6, terms="free", reference="drawn by the tests"),),
    encoder="random weights",
    scores=(
        ReleasedScore(
            data="Drawn eyes",
            protocol="region",
            images=6,
            groups=3,
            metric="dice",
            part="foreground",
            value=0.8123,
            low=0.75,
            high=0.86,
            method="t over 3 groups",
        ),
    ),
    limits=("Only for drawings.",),
    failures=("Misses lines at the frame.",),
    parameters=267,
    weights_bytes=2000,
    weights_sha256="0" * 64,
    dice_lost=0.0001,
    reproduction=Reproduction(
        data="Drawn eyes", fold=1, folds=3, metric="dice", values=(0.8, 0.81), low=0.7, high=0.9, minutes=2
    ),
)


def release(run, folder, **changes):
    """Make a released model of a run folder, as far as its weights need no packing."""
    model = folder / changes.get("name", INFO.name)
    model.mkdir(parents=True)
    for name in ("recipe.json", "weights.safetensors"):
        shutil.copy(run / name, model / name)
    facts = json.loads((run / "run.json").read_text())
    facts |= {"data": None, "seen_in_earlier_training": sorted(Run(run).seen_in_training)}
    (model / "run.json").write_text(json.dumps(facts))
    info = INFO.model_copy(update={"weights_sha256": facts["weights_sha256"], **changes})
    (model / MODEL).write_text(info.model_dump_json())
    return model
