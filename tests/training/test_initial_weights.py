"""Where weights come from: what is taken over, what is not, and what a start must not have met."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cenet.config.presets import load_recipe
from cenet.data.io.files import write_text
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.inference.run import Run
from cenet.training import train as training
from cenet.training.initial_weights import check_no_test_leakage
from cenet.training.plan import plan

FAST = {"encoder_weights": "none", "crop_px": 192, "batch_size": 2, "epochs": 1, "steps_per_epoch": 1}


def begin_from(run, images, machine, output, splits=None, **changes):
    recipe = Run(run).recipe.replace(**changes)
    return training.train(recipe, images, output=output, device=machine, init_from=run, splits=splits)


def test_a_run_starts_from_another_runs_weights(run, images, machine, unfitted, tmp_path, capsys):
    begun = begin_from(run, images, machine, tmp_path / "next", splits=run / "splits.json", seed=5)
    state, earlier = unfitted["network"].state_dict(), load_file(run / "weights.safetensors")
    assert all(torch.equal(state[name], tensor) for name, tensor in earlier.items())
    assert state.keys() == earlier.keys()
    assert "--init-from runs/trained" in begun.facts.command
    assert begun.facts.started_from == f"run trained, weights SHA-256 {Run(run).facts.weights_sha256[:16]}"
    assert "start at random" not in capsys.readouterr().out


def test_a_plan_to_start_from_a_run_has_its_network(images, tmp_path):
    fields = {"network": "cenet-lite", "dac": None, "rmp": False, "use_stem_skip": True}
    earlier = training.train(load_recipe("folder").replace(**FAST, **fields), images, output=tmp_path / "run").path
    planned = plan(images, device="cpu", minutes=1, init_from=earlier).recipe
    assert {name: getattr(planned, name) for name in fields} == fields
    options = {"init_from": earlier, "splits": earlier / "splits.json", "device": "cpu"}
    begun = training.train(None, images, output=tmp_path / "next", **options, changes=FAST)
    assert begun.facts.started_from.startswith("run run,")
    with pytest.raises(CenetError, match="add --network cenet-lite"):
        training.train(None, images, output=tmp_path / "other", **options, changes={**FAST, "network": "unet"})


def test_a_start_that_has_seen_the_test_part_is_refused(run, images, machine, tmp_path):
    split = Run(run).split
    turned = replace(split, parts={**split.parts, "train": split.parts["test"], "test": split.parts["train"]})
    message = f"^{images}: {turned.parts['test'][0]} of the test part is one that {run} was trained on; start"
    with pytest.raises(CenetError, match=message):
        begin_from(run, images, machine, tmp_path / "next", splits=turned)
    assert list(tmp_path.iterdir()) == []


def test_the_remedy_names_a_split_only_where_the_earlier_run_has_one(run, images, tmp_path):
    split = Run(run).split
    turned = replace(split, parts={**split.parts, "train": split.parts["test"], "test": split.parts["train"]})
    without_split = tmp_path / "without"
    shutil.copytree(run, without_split)
    facts = Run(run).facts.model_copy(update={"seen_in_earlier_training": tuple(sorted(Run(run).seen_in_training))})
    write_text(without_split / "run.json", facts.model_dump_json())
    (without_split / "splits.json").unlink()
    with pytest.raises(CenetError, match="--splits"):
        check_no_test_leakage(Run(run), turned, images)
    with pytest.raises(CenetError, match="--test-fraction 0"):
        check_no_test_leakage(Run(without_split), turned, images)


def test_every_part_of_a_run_that_starts_from_another_can_be_scored(run, images, machine, tmp_path):
    begun = begin_from(run, images, machine, tmp_path / "next", splits=run / "splits.json", epochs=1)
    for part, names in begun.split.parts.items():
        report = evaluate(begun.path, part=part, device=machine, overlays=0)
        assert sorted(image.name for image in report.data.images) == sorted(names)


def test_a_run_has_seen_what_the_runs_before_it_were_trained_on(run, images, machine, unfitted, draw, tmp_path):
    split = Run(run).split
    learnt = {split.fingerprints[name] for part in ("train", "validation") for name in split.parts[part]}
    begun = begin_from(run, draw(tmp_path / "data", seed=9), machine, tmp_path / "next")
    assert set(begun.facts.seen_in_earlier_training) == learnt
    assert {begun.part_of(fingerprint) for fingerprint in learnt} == {"train"}
    assert begun.seen_in_training > learnt


def test_a_head_of_another_class_count_starts_at_random_and_says_so(
    run, classes_run, images, machine, unfitted, tmp_path, capsys
):
    begin_from(run, classes_run.parent / "data", machine, tmp_path / "next", num_classes=3)
    said = capsys.readouterr().out
    assert "its head has 1 classes where this recipe has 3; head.bias, head.weight start at random" in said
    state, earlier = unfitted["network"].state_dict(), load_file(run / "weights.safetensors")
    assert {name for name, tensor in state.items() if not torch.equal(tensor, earlier[name].expand_as(tensor))} == {
        "head.bias",
        "head.weight",
    }
    assert unfitted["run"].recipe.num_classes == 3


def test_maps_of_another_meaning_are_no_start(draw, cenet, small, machine, tmp_path, capsys):
    for classes in (2, 3):
        draw(tmp_path / f"data-{classes}", num_classes=classes)
    options = (*small, "--num-classes", 3, "--nested", "true", "--epochs", 1, "--steps-per-epoch", 1)
    nested = tmp_path / "nested"
    assert cenet("train", "folder", "--data", tmp_path / "data-3", "--output", nested, *options) == 0
    begin_from(nested, tmp_path / "data-3", machine, tmp_path / "apart", nested=False)
    assert "its head has 3 nested classes where this recipe has 3; head.bias" in capsys.readouterr().out
    with pytest.raises(CenetError, match="its head has 3 nested classes where this recipe has 2, in as many maps"):
        begin_from(nested, tmp_path / "data-2", machine, tmp_path / "two", nested=False, num_classes=2)


@pytest.mark.parametrize("num_classes", [1, 3])
def test_another_network_is_refused_as_a_start(run, images, classes_run, machine, num_classes, tmp_path):
    data = images if num_classes == 1 else classes_run.parent / "data"
    changes = {"network": "cenet", "encoder": "resnet18", "crop_px": 192, "num_classes": num_classes}
    with pytest.raises(
        CenetError, match=f"^{run}: its network is tiny, and this recipe's is cenet; add --network tiny$"
    ):
        begin_from(run, data, machine, tmp_path / "next", **changes)
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_the_network_that_differs_is_refused_as_a_start(cenet_run, images, machine, tmp_path):
    changes = {"dac": None, "rmp": False, "share_weights": False, "use_stem_skip": False, "encoder": "resnet34"}
    for field, value in {**changes, "input_normalisation": "authors"}.items():
        with pytest.raises(CenetError, match=f"^{cenet_run}: its {field} is .*; add --{field.replace('_', '-')} "):
            begin_from(cenet_run, images, machine, tmp_path / "next", **{field: value})
    assert list(tmp_path.iterdir()) == []


def test_an_image_skip_is_added_to_the_network_of_a_start_but_not_taken_away(
    cenet_run, images, machine, unfitted, tmp_path
):
    begin_from(cenet_run, images, machine, tmp_path / "next", splits=cenet_run / "splits.json", use_image_skip=True)
    network, earlier = unfitted["network"], load_file(cenet_run / "weights.safetensors")
    state = network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in earlier.items())
    assert {name.rsplit(".", 2)[0] for name in state.keys() - earlier.keys()} == {"head.image_skip"}
    with_it = Run(cenet_run).recipe.replace(use_image_skip=True)
    grown = Run.create(tmp_path / "grown", with_it, Run(cenet_run).facts, split=Run(cenet_run).split)
    grown.save_weights(network)
    with pytest.raises(CenetError, match="its use_image_skip is True"):
        begin_from(grown.path, images, machine, tmp_path / "less", use_image_skip=False)


def test_images_of_other_channels_are_refused_as_a_start(run, grey16_run, machine, tmp_path):
    with pytest.raises(CenetError, match=f"^{run}: was trained on 3 channels, and these images have 1; start from"):
        begin_from(run, grey16_run.parent / "data", machine, tmp_path / "next")
    assert list(tmp_path.iterdir()) == []


def test_the_input_rule_fits_the_new_images_and_not_those_of_the_start(run, draw, machine, unfitted, tmp_path):
    begin_from(run, draw(tmp_path / "data", dtype=np.uint16), machine, tmp_path / "next")
    low, high = unfitted["run"].facts.value_range
    assert high > 1000
    values = torch.tensor([low, high]).reshape(2, 1, 1, 1).expand(2, 3, 1, 1)
    seen = unfitted["network"].normalise(values)[:, 0, 0, 0].tolist()
    assert seen == pytest.approx([-127.5 / 64, 127.5 / 64], abs=1e-3)


def test_an_encoder_begins_with_the_weights_that_the_recipe_names(images, machine, unfitted, tmp_path):
    recipe = load_recipe("folder").replace(crop_px=192)
    begun = training.train(recipe, images, output=tmp_path / "run", device=machine)
    assert begun.facts.started_from.startswith("bundled: resnet34-preact-imagenet.safetensors, SHA-256 ")
