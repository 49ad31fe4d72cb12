"""Training steps and validation: with a trainer that is made up, and in four epochs of a network of two layers."""

import csv
from collections import UserList
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset

from cenet.config.presets import load_recipe
from cenet.data.sample import Sample
from cenet.errors import CenetError
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.networks.cenet import CENet
from cenet.networks.normalise import Normalise
from cenet.training.callbacks import RunRecorder, TrainingProgressBar
from cenet.training.loaders import training_loader
from cenet.training.module import SegmentationModule, build_average
from cenet.training.selection import ValidationScores

FACTS = RunMetadata(command="cenet train", started_from="random weights", in_channels=3)


class TwoLayers(nn.Module):
    """An encoder and a head, pixel by pixel."""

    stride, min_size = 8, 8

    def __init__(self, num_classes=1):
        super().__init__()
        self.encoder = nn.Conv2d(3, 4, 1)
        self.head = nn.Conv2d(4, num_classes, 1)

    def forward(self, image):
        return self.head(self.encoder(image / 128 - 1).tanh())


def recipe(**changes):
    return load_recipe("folder").replace(**changes)


def cenet():
    with torch.device("meta"):
        return CENet(encoder="resnet18")


def optimiser_of(learning, *, steps=100, network=None):
    learner = SegmentationModule(network or TwoLayers(), learning, None, [])
    learner.trainer = SimpleNamespace(estimated_stepping_batches=steps)
    return learner.configure_optimizers()


def test_the_momentum_of_sgd_is_the_recipes_whatever_the_learning_rate_does():
    configured = optimiser_of(recipe(optimiser="sgd", momentum=0.7, schedule="one-cycle"))
    for _ in range(30):
        assert {group["momentum"] for group in configured["optimizer"].param_groups} == {0.7}
        configured["optimizer"].step()
        configured["lr_scheduler"]["scheduler"].step()


@pytest.mark.parametrize("decay", [0.88, 0.9, 0.96])
def test_the_average_has_the_channels_in_the_networks_order(decay):
    network = nn.Sequential(Normalise(8, order=range(7, -1, -1)), nn.Conv2d(8, 1, 1))
    settings = recipe(selection="average", average_decay=decay)
    learner = SegmentationModule(network, settings, None, [], average=build_average(network, settings))
    learner.trainer = SimpleNamespace(estimated_stepping_batches=100)
    learner.configure_optimizers()
    for _ in range(5):
        learner.on_train_batch_end(None, None, 0)
    assert torch.equal(learner.average.module[0].order, network[0].order)


def rates(configured, steps):
    """The learning rates of each group, step by step, and after the last."""
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        schedule.step()
    return np.array([*seen, [group["lr"] for group in optimiser.param_groups]])


def test_the_encoder_of_a_cenet_learns_at_its_own_rate_and_every_parameter_once():
    network = cenet()
    groups = optimiser_of(recipe(encoder_learning_rate_factor=0.1), network=network)["optimizer"].param_groups
    encoder, rest = ({id(parameter) for parameter in group["params"]} for group in groups)
    assert encoder == {id(parameter) for parameter in network.encoder.parameters()}
    assert rest == {id(parameter) for parameter in network.parameters()} - encoder
    assert len(encoder) + len(rest) == sum(len(group["params"]) for group in groups)


def test_a_network_without_pretrained_layers_learns_at_one_rate():
    network = TwoLayers()
    learning = recipe(encoder_learning_rate_factor=0.1, learning_rate=0.02, schedule="poly")
    (group,) = optimiser_of(learning, network=network)["optimizer"].param_groups
    assert group["lr"] == 0.02
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in network.parameters()]


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_recipes(name, kind):
    learning = recipe(optimiser=name, weight_decay=0.03, momentum=0.7, schedule="poly")
    optimiser = optimiser_of(learning, network=cenet())["optimizer"]
    assert type(optimiser) is kind
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.03, 0.03]
    assert all(group.get("momentum", 0.7) == 0.7 for group in optimiser.param_groups)


def test_norms_and_biases_are_not_decayed_where_the_recipe_says_so():
    learning, network = recipe(decay_norms=False, encoder_learning_rate_factor=0.1, weight_decay=0.03), cenet()
    groups = optimiser_of(learning, network=network)["optimizer"].param_groups
    assert sorted(id(weight) for group in groups for weight in group["params"]) == sorted(map(id, network.parameters()))
    for group in groups:
        for weight in group["params"]:
            assert group["weight_decay"] == (0.03 if weight.ndim > 1 else 0)
    encoder = {id(weight) for weight in network.encoder.parameters()}
    assert {(id(w) in encoder, group["max_lr"] < 1e-3) for group in groups for w in group["params"]} == {
        (True, True),
        (False, False),
    }


def test_the_statistics_of_the_image_stay_where_the_recipe_says_so():
    with torch.device("meta"):
        network = CENet(encoder="resnet34-preact")
    for frozen in (False, True):
        SegmentationModule(network.train(), recipe(freeze_input_norm=frozen), None, []).on_train_epoch_start()
        assert network.encoder.bn_data.training == (not frozen)
        assert network.encoder.bn0.training


def test_the_poly_schedule_follows_its_formula():
    learning = recipe(schedule="poly", learning_rate=0.01, encoder_learning_rate_factor=0.5, optimiser="sgd")
    seen = rates(optimiser_of(learning, steps=40, network=cenet()), 40)
    expected = [[rate * (1 - step / 40) ** 0.9 for rate in (0.005, 0.01)] for step in range(41)]
    np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-15)


def test_the_one_cycle_schedule_rises_and_ends_near_zero():
    learning = recipe(schedule="one-cycle", learning_rate=0.01, encoder_learning_rate_factor=0.5)
    seen = rates(optimiser_of(learning, steps=100, network=cenet()), 100)
    np.testing.assert_allclose(seen[:, 0], seen[:, 1] / 2)
    peak = int(seen[:, 1].argmax())
    assert seen[peak, 1] == pytest.approx(0.01)
    assert 15 <= peak <= 25
    assert seen[0, 1] < 0.001
    assert seen[99, 1] < 1e-6
    assert (np.diff(seen[: peak + 1, 1]) > 0).all()
    assert (np.diff(seen[peak:100, 1]) < 0).all()


@pytest.mark.parametrize("schedule", ["poly", "one-cycle"])
@pytest.mark.parametrize("steps", range(1, 12))
def test_a_training_may_have_any_number_of_steps(schedule, steps):
    seen = rates(optimiser_of(recipe(schedule=schedule, learning_rate=0.01), steps=steps), steps)
    assert (seen >= 0).all()
    assert (seen <= 0.01 + 1e-12).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_skipped_until_there_are_too_many(value):
    learning, network = recipe(learning_rate=0.25), TwoLayers()
    images = [Sample(name, Path(f"{name}.png")) for name in "abcdefgh"]
    learner = SegmentationModule(network, learning, Predictor(network, learning), images)
    nn.init.constant_(network.head.bias, value)
    items = [Stripes(learning)[number] for number in (6, 2)]
    batch = torch.utils.data.default_collate(items)
    assert [learner.training_step(batch, number) for number in range(4)] == [None] * 4
    said = r"^recipe folder: the loss of 5 batches in a row is not .*, the last of g\.png, c\.png; .* \(it is 0\.25\)"
    with pytest.raises(CenetError, match=said):
        learner.training_step(batch, 4)
    assert learner.skipped == 5


def test_a_finite_loss_ends_the_row():
    learning, network = recipe(), TwoLayers()
    learner = SegmentationModule(network, learning, Predictor(network, learning), [])
    learner.log = lambda *_, **__: None
    batch = torch.utils.data.default_collate([Stripes(learning)[0]])
    broken = batch | {"image": batch["image"] * np.nan}
    for _ in range(3):
        for _ in range(4):
            assert learner.training_step(broken, 0) is None
        assert torch.isfinite(learner.training_step(batch, 0))
    assert learner.skipped == 12
    assert learner.state_dict()["in_a_row"] == 0


def test_chance_depends_on_seed_and_epoch_alone():
    drawn = {}
    with torch.random.fork_rng([]):
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0), (1, 0)):
            network = TwoLayers()
            learner = SegmentationModule(network, recipe(seed=seed), None, [])
            learner.trainer = SimpleNamespace(current_epoch=epoch)
            learner.on_train_batch_start(None, 0)
            first = torch.rand(1).item()
            learner.on_train_batch_start(None, 1)
            numbers = first, torch.rand(1).item()
            assert drawn.setdefault((seed, epoch), numbers) == numbers
            assert numbers[0] != numbers[1]
    assert len(set(drawn.values())) == 3


class Stripes(Dataset):
    """Images whose right part is bright and is the label; outside the region the label is wrong."""

    round_length = 6

    def __init__(self, recipe):
        self.recipe, self.drawn = recipe, []

    def __getitem__(self, number):
        self.drawn.append(number)
        label = (torch.arange(16) >= 5 + number % 6).long().expand(16, 16)
        image = 40.0 + 120 * label.expand(3, 16, 16) + number
        region = torch.arange(16).expand(16, 16) < 14
        return {"image": image, "label": label * region, "region": region, "index": number % 8}


def whole_images(dataset):
    for number in range(2):
        item = dataset[number]
        image = item["image"].permute(1, 2, 0).numpy().astype(np.uint8)
        yield image, item["label"].numpy().astype(np.uint8), item["region"].numpy()


@pytest.mark.filterwarnings("ignore::lightning_fabric.utilities.warnings.PossibleUserWarning")
@pytest.mark.parametrize("validate_every", [1, 2])
def test_a_training_fills_its_run(tmp_path, validate_every):
    learning = recipe(epochs=4, batch_size=2, learning_rate=0.1, schedule="poly", validate_every=validate_every)
    run = Run.create(tmp_path / "run", learning, FACTS)
    torch.manual_seed(0)
    network, dataset = TwoLayers(), Stripes(learning)
    predictor = Predictor(network, learning)
    validation = UserList(whole_images(Stripes(learning)))  # Lightning takes a list for many loaders
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=4,
        check_val_every_n_epoch=validate_every,
        num_sanity_val_steps=0,
        callbacks=[RunRecorder(run), TrainingProgressBar()],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(SegmentationModule(network, learning, predictor, []), training_loader(dataset, workers=0), validation)

    assert dataset.drawn == list(range(24))  # each epoch goes on where the one before ended
    assert network.training
    rows = list(csv.DictReader((run.path / "curve.csv").read_text(encoding="utf-8").splitlines()))
    facts = Run(run.path).facts
    assert [(row["epoch"], row["step"]) for row in rows] == [("0", "3"), ("1", "6"), ("2", "9"), ("3", "12")]
    assert float(rows[3]["loss"]) < float(rows[0]["loss"])
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.1 * (1 - step / 12) ** 0.9 for step in (3, 6, 9, 12)])
    dices = [float(row["validation_dice"]) for row in rows]
    assert [np.isnan(dice) for dice in dices] == [(epoch + 1) % validate_every > 0 for epoch in range(4)]
    best = int(np.nanargmax(dices))
    assert facts.epoch == best
    assert [f"{cut:.2f}" for cut in facts.thresholds] == [rows[best]["validation_threshold"]]
    assert facts.validation_dice == pytest.approx(dices[best], abs=1e-6)

    network.load_state_dict(load_file(run.path / "weights.safetensors"))
    scores = ValidationScores(learning)
    for image, label, region in validation:
        scores.add(predictor(image), label, region)
    assert scores.best() == (facts.thresholds, pytest.approx(facts.validation_dice))
