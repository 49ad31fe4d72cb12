"""Options of `cenet train` that do not go together, and several seeds of a planned recipe."""

import pytest

from cenet.inference.run import Run


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--minutes", 5), "--minutes"),
        (("--seeds", 2), "--seeds"),
        (("--batch-size", 3), "--batch-size 3"),
        (("--group-pattern", "[0-9]", "--ignore-value", 7), "--group-pattern, --ignore-value"),
    ],
)
def test_a_run_is_not_resumed_as_another(cenet, run, option, said, capsys):
    assert cenet("train", "--resume", run, *option) == 1
    assert f"cenet: {run}: is resumed as it was started, without {said}; " in capsys.readouterr().err


def test_several_seeds_without_a_recipe_share_one_that_is_planned(cenet, run, images, tmp_path, monkeypatch, capsys):
    seen = {}

    def train_seeds(recipe, data, *, seeds, **options):
        seen.update(recipe=recipe, seeds=seeds, output=options["output"])
        return [Run(run)] * seeds

    monkeypatch.setattr("cenet.experiments.seeds.train_seeds", train_seeds)
    options = ("--seeds", 2, "--output", tmp_path / "runs", "--device", "cpu", "--batch-size", 3)
    assert cenet("train", "--data", images, *options) == 0
    assert (seen["recipe"].name, seen["recipe"].batch_size, seen["seeds"]) == ("planned", 3, 2)
    printed = capsys.readouterr().out
    assert "batch_size = 3" in printed
    assert f"next: cenet evaluate {run}" in printed
