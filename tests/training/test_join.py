"""A training process that is not the first finds what the first has made, and trains along."""

import shutil

import pytest

from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.training import join
from cenet.training.join import join_training
from cenet.training.train import resume, train


@pytest.fixture
def second(monkeypatch):
    """This process is the second of two; gives what it would have trained with."""
    begun = {}

    def fit(run, network, samples, device, **options):
        begun.update(run=run, network=network, samples=samples, device=device, **options)
        return run

    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(join, "silence_output", lambda device: None)
    monkeypatch.setattr(join, "run_training", fit)
    return begun


TWO = DeviceConfig("cpu", "bf16-true", 0, devices=2)


def test_it_trains_the_images_and_labels_of_the_first_in_its_precision(
    run, images, machine, unfitted, second, tmp_path, monkeypatch
):
    recipe = Run(run).recipe
    monkeypatch.setenv("LOCAL_RANK", "0")
    first = train(recipe, images, output=tmp_path / "run", device=machine)
    monkeypatch.setenv("LOCAL_RANK", "1")
    for start in (lambda: train(recipe, images, output=first.path, device=TWO), lambda: resume(first.path, device=TWO)):
        second.clear()
        assert start().path == first.path
        assert second["samples"] == unfitted["samples"]
        assert second["device"].precision == "32-true"
        assert second["run"].split == first.split
    shutil.rmtree(first.path)


def test_of_a_finished_run_it_trains_nothing(run, second):
    assert join_training(run, None, TWO, network=None).facts.finished
    assert not second


def test_a_run_that_is_resumed_may_keep_its_checkpoints(run, images, machine, unfitted, tmp_path):
    first = train(Run(run).recipe, images, output=tmp_path / "run", device=machine)
    assert not first.facts.keep_checkpoints
    assert resume(first.path, device=machine, keep_checkpoints=True).facts.keep_checkpoints
    shutil.rmtree(first.path)
