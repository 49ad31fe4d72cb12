"""Packing a run into a model: what it keeps, what it rounds, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pack
import pytest
import torch
from drawn_reports import run_info, write_evaluation
from safetensors.torch import load_file
from tiny_network import TINY

from cenet.config.json_files import read_json
from cenet.config.presets import load_recipe
from cenet.data.io.files import write_text
from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.evaluation.report_files import evaluation_folder
from cenet.inference.check_model import TOLERANCE, measure_deviation
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.run import Run
from cenet.inference.run_folder import METADATA
from cenet.inference.run_metadata import RunMetadata
from cenet.models.model_info import MAX_BYTES, ModelInfo
from cenet.networks import build_network
from cenet.networks.pretrained import sha256
from cenet.phantoms import write_phantoms
from cenet.reporting.models_text import format_model_card

ROOT = Path(__file__).parents[1]
WORDS = {
    "name": "tiny-eyes",
    "version": "1.0",
    "title": "lines on noise",
    "licence": "Apache-2.0",
    "data": [{"name": "Drawn eyes", "images": 6, "terms": "free"}],
    "encoder": "random weights",
    "limits": ["Only for drawings."],
    "failures": ["Misses lines at the frame."],
    "check_image": "vessels",
    "check_size_px": 64,
}


def to_release(**changes):
    return pack.Release.model_validate({**WORDS, **changes})


@pytest.fixture(scope="module")
def packed(run, images, keep):
    """The packed run, whose kernels are all rounded; what is known of it. Not to be changed."""
    folder = keep("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "MIN_ROUNDED", 8)
        photographs = sorted((images / "images").iterdir())
        info = pack.pack(to_release(), Run(run), images=photographs, output=folder)
    return folder / "tiny-eyes", info


def test_a_model_is_a_small_run_of_rounded_weights(packed, run):
    folder, info = packed
    files = {path.name for path in folder.iterdir()}
    assert files == {"recipe.json", "run.json", "weights.safetensors", "appearance.json", "model.json", "MODEL_CARD.md"}
    weights, trained = load_file(folder / "weights.safetensors"), load_file(run / "weights.safetensors")
    assert {name for name, value in weights.items() if value.dtype == torch.float16} == {"body.0.weight", "head.weight"}
    assert all(torch.equal(value, trained[name]) for name, value in weights.items() if value.ndim < 2)
    assert all(value.dtype != torch.float16 for value in Run(folder).network().state_dict().values())
    assert info.weights_sha256 == sha256(folder / "weights.safetensors")
    assert info.parameters == sum(value.numel() for value in trained.values())
    assert 0 <= info.dice_lost < 0.002


def test_a_model_knows_the_images_that_it_was_trained_on_by_their_checksums_alone(packed, run):
    folder, _ = packed
    facts = RunMetadata.load(folder / "run.json")
    assert facts.data is None
    assert Run(folder).seen_in_training == Run(run).seen_in_training
    texts = "".join(path.read_text() for path in folder.glob("*.json"))
    assert "eye-0" not in texts
    assert str(run.parent) not in texts


def test_the_card_is_that_of_the_model_file(packed):
    folder, info = packed
    assert ModelInfo.load(folder) == info
    assert (folder / "MODEL_CARD.md").read_text() == format_model_card(info, "markdown") + "\n"


def test_the_stored_scores_are_found_again_and_other_weights_are_noticed(packed, tmp_path):
    folder, info = packed
    assert measure_deviation(Run(folder)) < TOLERANCE
    assert len(info.check.grid[0]) == 64
    run = Run(folder)
    run.model = info.model_copy(update={"check": info.check.model_copy(update={"mask_shares": (0.5,)})})
    assert measure_deviation(run) > TOLERANCE


def test_a_localiser_is_packed_inside_the_model_that_looks_where_it_finds(tmp_path):
    recipe = load_recipe("disc").replace(network=TINY, encoder_weights="none", size_px=64, localiser_size_px=64)
    facts = RunMetadata(
        command="drawn",
        started_from="random weights",
        in_channels=3,
        classes=("disc", "cup"),
        operating_points=(OperatingPoint(thresholds=(0.5, 0.4)),),
        data=str(tmp_path),
        finished=True,
    )
    for folder, network in ((tmp_path / "run", recipe), (tmp_path / "run" / "localiser", recipe.localiser)):
        made = Run.create(folder, network, facts)
        torch.manual_seed(0)
        made.save_weights(build_network(network))
    write_phantoms(tmp_path / "eyes", task="disc", count=1, seed=3, size_px=96)
    release = to_release(check_image="disc", check_size_px=96)
    image = tmp_path / "eyes" / "images" / "fundus-000.png"
    info = pack.pack(release, Run(tmp_path / "run"), images=[image], output=tmp_path / "models")
    packed = Run(tmp_path / "models" / "tiny-eyes")
    assert {path.name for path in (packed.path / "localiser").iterdir()} == {
        "recipe.json",
        "run.json",
        "weights.safetensors",
    }
    assert packed.localiser_run().facts.data is None
    assert info.parameters == 2 * sum(value.numel() for value in packed.network().state_dict().values())
    assert info.weights_bytes == sum(path.stat().st_size for path in packed.path.rglob("weights.safetensors"))
    assert len(info.check.grid) == 2
    assert np.array_equal(packed.predictor()(image).mask, Run(tmp_path / "run").predictor()(image).mask)


def test_a_released_version_keeps_its_weights(packed, run, images, tmp_path):
    folder = shutil.copytree(packed[0], tmp_path / "tiny-eyes").parent
    photographs = sorted((images / "images").iterdir())[:1]
    before = (folder / "tiny-eyes" / "model.json").read_bytes()
    with pytest.raises(CenetError) as refusal:  # its kernels are too small to be rounded now
        pack.pack(to_release(title="other words"), Run(run), images=photographs, output=folder)
    assert refusal.value.remedy == "raise the version"
    assert (folder / "tiny-eyes" / "model.json").read_bytes() == before
    pack.pack(to_release(version="1.1"), Run(run), images=photographs, output=folder)
    assert ModelInfo.load(folder / "tiny-eyes").version == "1.1"


@pytest.mark.parametrize(("name", "limit"), [("MAX_BYTES", 1000), ("MAX_DICE_LOST", 0.0)])
def test_a_model_that_is_too_large_or_too_coarse_is_refused(run, images, tmp_path, monkeypatch, name, limit):
    monkeypatch.setattr(pack, name, limit)
    with pytest.raises(CenetError):
        pack.pack(to_release(), Run(run), images=[images / "images" / "eye-0.png"], output=tmp_path)
    assert not (tmp_path / "tiny-eyes").exists()
    assert MAX_BYTES == 16 * 2**20


def test_what_a_run_knows_of_the_appearance_of_its_images_goes_along(packed, run):
    assert (packed[0] / "appearance.json").read_bytes() == (run / "appearance.json").read_bytes()


def test_a_model_may_compare_images_with_others_than_those_of_its_training(run, run_copy, images, tmp_path):
    known = {"folder": run, "of": "photographs of eyes"}
    (run_copy / "appearance.json").unlink()
    pack.pack(
        to_release(known_images=known), Run(run_copy), images=sorted((images / "images").iterdir()), output=tmp_path
    )
    dark = Run(tmp_path / "tiny-eyes").predictor()(np.zeros((48, 64, 3), np.uint8))
    assert "looks unlike photographs of eyes: " in dark.unfamiliar
    with pytest.raises(CenetError, match="has no appearance"):
        pack.read_known_images(pack.KnownImages(folder=run_copy, of="photographs"))


def test_a_run_that_is_not_finished_is_refused(run_copy, tmp_path):
    Run(run_copy).update(finished=False)
    with pytest.raises(CenetError):
        pack.pack(to_release(), Run(run_copy), images=[], output=tmp_path)


def test_rounding_that_changes_a_mask_is_measured(run, images, run_copy):
    other = Run(run_copy)
    network = other.network()
    with torch.no_grad():
        network.head.bias += 0.1
    other.save_weights(network)
    image = images / "images" / "eye-0.png"
    first, second = Run(run).predictor()(image).mask, other.predictor()(image).mask
    expected = 1 - 2 * (first & second).sum() / (first.sum() + second.sum())
    assert pack.measure_dice_lost(Run(run), other, [image]) == pytest.approx(expected, abs=1e-6)


def test_thresholds_are_the_median_of_those_of_the_folds_before_calibration(run, tmp_path):
    points = [(0.4, ()), (0.5, ((2.0, 0.0),)), (0.6, ((0.5, 1.0),))]
    runs = tuple(
        run_info(f"fold-{number}", ".", thresholds=(threshold,), calibration=calibration)
        for number, (threshold, calibration) in enumerate(points)
    )
    write_evaluation(tmp_path / "folds", images=2, size_px=64, runs=runs, cases=False)
    (point,) = pack.choose_points(to_release(thresholds_from=(tmp_path / "folds",)), Run(run))
    odds = np.exp((np.log(0.6 / 0.4) - 1) / 0.5)
    assert point.thresholds == (round(float(np.median([0.4, 0.5, odds / (1 + odds)])), 4),)
    assert point.calibration == ()
    assert pack.choose_points(to_release(), Run(run)) == Run(run).facts.operating_points


def test_reports_of_several_views_give_a_point_each(run, tmp_path):
    for name, views, threshold in (("one", 1, 0.4), ("eight", 8, 0.3)):
        report = write_evaluation(
            tmp_path / name,
            images=2,
            size_px=64,
            runs=(run_info("fold-0", ".", thresholds=(threshold,), calibration=()),),
            cases=False,
        ).report
        protocol = report.protocol.model_copy(update={"views": views})
        write_text(tmp_path / name / "report.json", report.model_copy(update={"protocol": protocol}).model_dump_json())
    folders = (tmp_path / "one", tmp_path / "eight")
    points = pack.choose_points(to_release(thresholds_from=folders), Run(run))
    assert [(point.views, point.thresholds) for point in points] == [(1, (0.4,)), (8, (0.3,))]


def test_scores_come_from_a_report_with_their_intervals(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=7, size_px=64, cases=False).report
    source = pack.ReportedScores(report=tmp_path / "scores", data="Drawn eyes", metrics=("dice", "auc"))
    scores = pack.read_scores(source)
    assert [(score.metric, score.part) for score in scores] == [("dice", "vessel"), ("auc", "vessel")]
    assert {score.images for score in scores} == {7}
    expected = report.classes[0].thresholds[0].per_image["dice"]
    assert (scores[0].value, scores[0].low, scores[0].high) == (expected.value, expected.low, expected.high)
    with pytest.raises(CenetError):
        pack.read_scores(source.model_copy(update={"metrics": ("hd95",)}))


def test_the_fold_to_train_again_is_kept_with_the_spread_of_its_seeds(run, tmp_path):
    runs = []
    for seed, skill in enumerate((0, 1)):
        runs.append(shutil.copytree(run, tmp_path / f"seed-{seed}", ignore=shutil.ignore_patterns(".lock")))
        folder = evaluation_folder(runs[-1], part="test", protocol="region", tta=False)
        write_evaluation(folder, images=3 + skill, size_px=64, cases=False)
    fold = pack.FoldRuns(runs=tuple(runs), data="Drawn eyes", fold=1, folds=3, metric="dice", part="vessel")
    stored = pack.read_fold(fold, tmp_path / "fold")
    assert (tmp_path / "fold" / "splits.json").read_bytes() == (run / "splits.json").read_bytes()
    assert (tmp_path / "fold" / "recipe.json").read_bytes() == (run / "recipe.json").read_bytes()
    assert len(stored.values) == 2
    assert stored.low < min(stored.values) < max(stored.values) < stored.high
    assert stored.minutes == 11  # of the drawn reports
    assert stored.started_from_model is None
    facts = json.loads((runs[1] / METADATA).read_text())
    (runs[1] / METADATA).write_text(json.dumps({**facts, "init_from": "runs/another"}))
    with pytest.raises(CenetError, match="do not start alike"):
        pack.read_fold(fold, tmp_path / "other")


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.json")), ids=lambda path: path.stem)
def test_every_release_of_the_repository_is_complete(path):
    release = read_json(path, pack.Release, remedy="complete it")
    assert release.name == path.stem
    assert release.limits
    assert release.failures


def test_the_script_packs_and_prints_the_card(run, images, tmp_path, capsys):
    (tmp_path / "release.json").write_text(json.dumps(WORDS))
    words = [tmp_path / "release.json", "--run", run, "--images", images / "images", "--output", tmp_path / "models"]
    assert pack.main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert "eye-5.png: Dice lost 0.0" in printed
    assert "tiny-eyes 1.0: lines on noise" in printed
    assert read_image(images / "images" / "eye-0.png").ndim == 3
    assert pack.main([str(word) for word in [tmp_path / "none.json", *words[1:]]]) == 1


def test_an_image_on_which_nothing_is_found_loses_nothing(run, images, run_copy):
    blind = Run(run_copy)
    blind.update(operating_points=(OperatingPoint(thresholds=(1.0,)),))
    assert pack.measure_dice_lost(Run(run), blind, [images / "images" / "eye-0.png"]) == 0
