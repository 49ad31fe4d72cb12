"""Whatever models the repository holds: small, complete, and still saying what they said when they were released."""

from pathlib import Path

from cenet.inference.check_model import TOLERANCE, measure_deviation
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER
from cenet.models.installed import search_folders
from cenet.models.model_info import (
    CARD,
    MAX_BYTES,
    MAX_BYTES_TOGETHER,
    MAX_BYTES_WITH_LOCALISER,
    MAX_DICE_LOST,
    MODEL,
)
from cenet.reporting.models_text import format_model_card

ROOT = Path(__file__).parents[1]
OPEN, RESEARCH = search_folders()[0], ROOT / "models" / "cenet_models"
MODELS = [path.parent for folder in (OPEN, RESEARCH) for path in sorted(folder.glob(f"*/{MODEL}"))]
MAX_WHEEL = 90_000_000


def folder_size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_every_model_predicts_what_it_predicted_when_it_was_released():
    for folder in MODELS:
        assert measure_deviation(Run(folder)) < TOLERANCE, folder


def test_every_model_is_within_the_limits():
    for folder in MODELS:
        run = Run(folder)
        limit = MAX_BYTES_WITH_LOCALISER if (folder / LOCALISER).is_dir() else MAX_BYTES
        assert folder_size(folder) <= limit, folder
        assert run.model.name == folder.name
        assert run.model.dice_lost < MAX_DICE_LOST
        assert run.facts.finished
        assert (folder / CARD).read_text(encoding="utf-8") == format_model_card(run.model, "markdown") + "\n"
        assert {path.name for path in folder.iterdir()}.isdisjoint({"splits.json", "curve.csv", "checkpoints"})


def test_only_free_weights_are_in_the_package_itself():
    for folder in MODELS:
        assert (Run(folder).model.licence == "Apache-2.0") == (folder.parent == OPEN), folder


def test_the_wheels_are_small():
    assert folder_size(ROOT / "src" / "cenet") < MAX_WHEEL
    assert folder_size(RESEARCH) < MAX_BYTES_TOGETHER


def test_the_licence_of_the_models_names_every_data_set():
    licence = (ROOT / "models" / "LICENSE").read_text(encoding="utf-8")
    for name in ("DRIVE", "CHASE_DB1", "HRF", "Drishti-GS1", "Finding and measuring lungs", "ISBI 2012"):
        assert name in licence
