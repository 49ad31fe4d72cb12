"""Damaged and hostile run folders: whatever is in their files, the outcome is a value or one sentence.

Some 300 mutants in the default run; CENET_FUZZ_FOLDERS=20000, or `make fuzz-folders`, tries more.
"""

import hashlib
import json
import os
import shutil
import warnings

import numpy as np
import pytest
import torch
from fuzz.mutate_folders import mutate_bytes, mutate_json
from released import INFO, release

from cenet.errors import CenetError
from cenet.evaluation.compare import compare_evaluations
from cenet.evaluation.report_files import load_evaluation
from cenet.inference.ensemble import load, open_run
from cenet.inference.run import Run
from cenet.models.model_info import ModelInfo
from cenet.reporting.cases import load_cases
from cenet.reporting.comparison_text import format_comparison
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.files import format_evaluation_files
from cenet.reporting.models_text import format_model_card, format_models
from cenet.training.checkpoint_contents import check_checkpoint_fits, load_checkpoint
from cenet.training.checkpoints import latest_checkpoint

MUTANTS = int(os.environ.get("CENET_FUZZ_FOLDERS", "300"))
IMAGE = np.full((48, 64, 3), 90, np.uint8)
EVALUATION = "evaluation-test-region"


@pytest.fixture(scope="module")
def folders(cenet, small, images, keep):
    """A run with checkpoints and a report, an ensemble of it, and a model of it. Not to be changed."""
    root = keep("fuzz")
    places = ("--data", images, "--output", root / "run")
    assert cenet("train", "folder", *places, *small, "--keep-checkpoints", "--patience", 5) == 0
    assert cenet("evaluate", root / "run", "--device", "cpu", "--overlays", 0) == 0
    (root / "ensemble.json").write_text(json.dumps({"members": ["run", "run"]}))
    release(root / "run", root)
    return root


@pytest.fixture(scope="module")
def copy(folders, keep):
    """A copy, whose files are replaced by mutants."""
    return shutil.copytree(folders, keep("mutants") / "copy")


def predict(root):
    return load(root / "run", device="cpu")(IMAGE).mask


def predict_together(root):
    return load(root, device="cpu")(IMAGE).mask


def know_the_split(root):
    run = Run(root / "run")
    return run.seen_in_training, run.part_of("0" * 64), list(run.split.duplicates())


def read_the_report(root):
    evaluation = load_evaluation(root / "run" / EVALUATION)
    format_evaluation(evaluation.report)
    format_evaluation_files(evaluation.report)
    return format_comparison(compare_evaluations([[evaluation], [evaluation]], ["a", "b"]))


def show_cases(root):
    return load_cases(load_evaluation(root / "run" / EVALUATION).report, count=2)


def describe(root):
    from cenet.evaluation.run_info import describe_run

    return describe_run(open_run(root / "run"), root / "run" / EVALUATION)


def read_the_checkpoint(root):
    path = latest_checkpoint(root / "run")
    state = load_checkpoint(path)
    check_checkpoint_fits(path, state, Wrapped(Run(root / "run").build_network()), epochs=2)


def show_the_model(root):
    model = ModelInfo.load(root / INFO.name)
    return [format_model_card(model, style) for style in ("terminal", "markdown")], format_models([model])


class Wrapped(torch.nn.Module):
    """What a checkpoint is of: the network, and a count."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("in_a_row", torch.zeros((), dtype=torch.int64))


TARGETS = {
    "run/run.json": (predict, know_the_split, describe),
    "run/recipe.json": (predict,),
    "run/splits.json": (know_the_split,),
    "run/environment.json": (describe,),
    "run/curve.csv": (describe,),
    "run/weights.safetensors": (predict,),
    f"run/{EVALUATION}/report.json": (read_the_report,),
    f"run/{EVALUATION}/histograms.npz": (read_the_report,),
    f"run/{EVALUATION}/cases/*.npz": (show_cases,),
    "ensemble.json": (predict_together,),
    f"{INFO.name}/model.json": (show_the_model,),
    "checkpoint": (read_the_checkpoint,),
}
SHARES = {f"run/{EVALUATION}/report.json": 0.15, "run/run.json": 0.2, "run/recipe.json": 0.2, "run/splits.json": 0.15}


def put_mutant(folders, copy, name, number):
    """Replace a file by a mutant under a right checksum, and return what undoes it."""
    if name == "checkpoint":
        original = latest_checkpoint(folders / "run")
        for path in (copy / "run" / "checkpoints").iterdir():
            path.unlink()
        content = mutate_bytes(original.read_bytes(), number)
        digits = hashlib.sha256(content).hexdigest()[:8]
        (copy / "run" / "checkpoints" / f"epoch-0002-{digits}.ckpt").write_bytes(content)
        return
    content = (folders / name).read_bytes()
    if name.endswith(".json"):
        (copy / name).write_text(mutate_json(content.decode(), number), encoding="utf-8")
    else:
        (copy / name).write_bytes(mutate_bytes(content, number))
    if name.endswith(".safetensors"):
        Run(copy / "run").update(weights_sha256=hashlib.sha256((copy / name).read_bytes()).hexdigest())


def outcome(read, folder):
    """The sentence by which a folder is refused, or None where it is read."""
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            read(folder)
    except CenetError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", TARGETS)
def test_a_mutant_is_read_or_refused_in_one_sentence(folders, copy, name):
    sentences = []
    target = name if name == "checkpoint" else next(folders.glob(name)).relative_to(folders).as_posix()
    for number in range(max(int(MUTANTS * SHARES.get(name, 0.04)), 1)):
        put_mutant(folders, copy, target, number)
        for read in TARGETS[name]:
            try:
                sentences.append(outcome(read, copy))
            except Exception as error:
                raise AssertionError(f"mutant {number} of {name}") from error
    for file in {target, "run/run.json"} - {"checkpoint"}:
        shutil.copy(folders / file, copy / file)
    refused = [sentence for sentence in sentences if sentence]
    assert refused or name == "run/environment.json"  # where nearly everything is allowed; else they are too mild
    assert all(len(sentence.splitlines()) == 1 and len(sentence) < 1500 for sentence in refused)
