"""Several runs answer as one; what does not fit together is refused."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import cenet
from cenet.errors import CenetError
from cenet.inference.ensemble import (
    MEMBERS,
    Ensemble,
    EnsemblePredictor,
    describe_predictions,
    fingerprint_run,
    load_predictor,
    open_run,
)
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.post_processing import NO_POST_PROCESSING
from cenet.inference.prediction import Prediction
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run


@pytest.fixture
def folder(run, tmp_path):
    """An ensemble of the trained run and its twin, whose split is the other way round."""
    for name in ("one", "two"):
        shutil.copytree(run, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    split = json.loads((tmp_path / "two" / "splits.json").read_text())
    turned = {"train": split["test"], "validation": split["validation"], "test": split["train"]}
    (tmp_path / "two" / "splits.json").write_text(json.dumps(turned))
    (tmp_path / MEMBERS).write_text(json.dumps({"members": ["one", "two"]}))
    yield tmp_path
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name)


def test_a_folder_that_lists_members_is_an_ensemble_and_any_other_a_run(folder):
    assert isinstance(open_run(folder), Ensemble)
    assert isinstance(open_run(folder / "one"), Run)
    assert isinstance(cenet.load(folder), EnsemblePredictor)
    assert isinstance(cenet.load(folder / "one"), Predictor)


def test_members_that_agree_answer_as_each_of_them(folder):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    one, both = cenet.load(folder / "one")(image), cenet.load(folder)(image)
    np.testing.assert_allclose(both.probabilities, one.probabilities, atol=1e-6)
    assert both.thresholds == pytest.approx(one.thresholds)


def test_an_image_in_two_parts_belongs_to_the_one_that_forbids_scoring_most(folder):
    ensemble, (one, two) = open_run(folder), (Run(folder / name) for name in ("one", "two"))
    split = one.split
    for part, expected in {"train": "train", "test": "train", "validation": "validation"}.items():
        for name in split.parts[part]:
            assert ensemble.part_of(split.fingerprints[name]) == expected
    assert two.part_of(split.fingerprints[split.parts["test"][0]]) == "train"
    assert ensemble.part_of("of an image that no member has seen") is None


def test_what_the_members_share_is_read_from_the_first(folder):
    ensemble = open_run(folder)
    assert ensemble.facts == Run(folder / "one").facts
    assert ensemble.recipe == Run(folder / "one").recipe


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"members": []}', '{"members": 3}', '{"members": [4]}'])
def test_a_listing_that_lists_nothing_is_refused(content, folder):
    (folder / MEMBERS).write_text(content)
    with pytest.raises(CenetError, match=r"ensemble.json: lists no runs; name a folder that `cenet cross-validate`"):
        open_run(folder)


def test_a_missing_member_is_named(folder):
    (folder / MEMBERS).write_text(json.dumps({"members": ["one", "three"]}))
    with pytest.raises(CenetError, match=r"three: is no run folder"):
        open_run(folder)


def test_a_member_that_has_not_come_to_its_end_is_named(folder):
    Run(folder / "two").update(finished=False)
    with pytest.raises(CenetError, match="training is not finished"):
        open_run(folder)


def test_a_member_of_other_classes_is_named(folder, classes_run):
    shutil.rmtree(folder / "two")
    shutil.copytree(classes_run, folder / "two", ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    with pytest.raises(CenetError, match="predicts other classes") as caught:
        open_run(folder)
    assert caught.value.subject == str(folder / "two")


def test_a_list_of_images_gives_a_list_and_windows_are_those_of_each_member(folder):
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    predictor = cenet.load(folder)
    for one, alone in zip(predictor(list(images)), images, strict=True):
        np.testing.assert_array_equal(one.probabilities, predictor(alone).probabilities)
    assert [member.geometry.tile_px for member in predictor.with_windows(64).members] == [64, 64]


def test_a_run_is_computed_by_pytorch_alone(run):
    with pytest.raises(CenetError, match="which PyTorch computes"):
        load_predictor(open_run(run), engine="onnxruntime")


@pytest.mark.parametrize(
    ("changes", "is_other"),
    [
        ({"operating_points": (OperatingPoint(thresholds=(0.123,)),)}, True),
        ({"weights_sha256": "0" * 64}, True),
        ({"value_range": (0.0, 200.0)}, True),
        ({"test_scored": 7, "data": "elsewhere"}, False),
    ],
    ids=str,
)
def test_a_fingerprint_is_of_all_that_predictions_depend_on(run_copy, changes, is_other):
    before = fingerprint_run(Run(run_copy))
    Run(run_copy).update(**changes)
    assert (fingerprint_run(Run(run_copy)) != before) == is_other


def test_another_recipe_is_another_fingerprint(run_copy):
    before, path = fingerprint_run(Run(run_copy)), run_copy / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tile_px": 192}))
    assert fingerprint_run(Run(run_copy)) != before


@pytest.mark.parametrize("changes", [{"dtype": "uint16"}, {"in_channels": 1}], ids=str)
def test_a_member_that_takes_other_images_is_named(folder, changes):
    Run(folder / "two").update(**changes)
    with pytest.raises(CenetError) as caught:
        open_run(folder)
    assert caught.value.subject == str(folder / "two")


def test_members_of_nested_ordered_and_exclusive_classes_are_not_mixed():
    facts = SimpleNamespace(in_channels=3, dtype="uint8")
    kinds = [(True, False), (False, True), (False, False)]
    recipes = [SimpleNamespace(num_classes=3, nested=nested, ordered=ordered) for nested, ordered in kinds]
    described = {describe_predictions(SimpleNamespace(recipe=recipe, facts=facts)) for recipe in recipes}
    assert len(described) == 3


def test_layers_of_an_ensemble_are_the_most_probable_order_of_the_mean():
    maps = np.zeros((3, 6, 2), np.float32)
    maps[0, :2] = maps[1, 2:4] = maps[2, 4:] = 1
    maps[:, 5, 0] = (1, 0, 0)  # an island of the first class below the last
    maps = maps * np.float32(0.8) + np.float32(0.2 / 3)
    member = SimpleNamespace(
        thresholds=(),
        post_processing=NO_POST_PROCESSING,
        ordered=True,
        predict_raw_and_calibrated=lambda *_, **__: (maps, Prediction(maps, ordered=True)),
    )
    _, both = EnsemblePredictor([member, member]).predict_raw_and_calibrated(np.zeros((6, 2, 1), np.uint8))
    assert (np.diff(both.mask.astype(int), axis=0) >= 0).all()
    assert not np.array_equal(both.mask, maps.argmax(axis=0))
