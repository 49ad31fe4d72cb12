"""`cenet plan` suggests the training that it has planned, with all that was given."""

import json
import shlex

import numpy as np
from PIL import Image

from cenet.config.recipe import Recipe


def next_command(capsys):
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")]
    return shlex.split(line.removeprefix("next: "))


OPTIONS = ("--device", "cpu", "--network", "cenet", "--batch-size", 2)


def test_a_plan_that_is_not_written_is_planned_again_with_the_same_options(cenet, draw, tmp_path, capsys):
    images = draw(tmp_path / "data", num_classes=3, regions=False)
    for path in (images / "masks").iterdir():
        mask = np.array(Image.open(path))
        Image.fromarray(np.where(mask == 2, 7, mask).astype(np.uint8)).save(path)
    (tmp_path / "mine.py").touch()
    options = ("--group-pattern", "[0-9]", "--ignore-value", 7, "--plugin", tmp_path / "mine.py")
    assert cenet("plan", images, *OPTIONS, *options) == 0
    words = next_command(capsys)
    assert words[:4] == ["cenet", "train", "--data", str(images)]
    assert dict(zip(words[4::2], words[5::2], strict=True)) == {
        "--network": "cenet",
        "--batch-size": "2",
        "--group-pattern": "[0-9]",
        "--ignore-value": "7",
        "--plugin": str(tmp_path / "mine.py"),
    }


def test_a_plan_that_is_written_is_trained_from_its_file(cenet, images, tmp_path, capsys):
    recipe = tmp_path / "recipe.json"
    assert cenet("plan", images, *OPTIONS, "--output", recipe) == 0
    assert next_command(capsys) == ["cenet", "train", str(recipe), "--data", str(images)]
    assert Recipe.model_validate(json.loads(recipe.read_text())).batch_size == 2


def test_a_recipe_is_a_json_file(cenet, images, tmp_path, capsys):
    assert cenet("plan", images, "--output", tmp_path / "recipe.yaml") == 1
    assert capsys.readouterr().err.startswith(f"cenet: {tmp_path / 'recipe.yaml'}: ")
