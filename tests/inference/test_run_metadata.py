"""What `run.json` says must fit together, and fit the recipe beside it."""

import json

import pytest

from cenet.config.presets import load_recipe
from cenet.data.labels.encoding import LabelEncoding
from cenet.errors import CenetError
from cenet.inference.run_metadata import RunMetadata

FACTS = RunMetadata(command="cenet train folder", started_from="random weights", in_channels=3)
CONTRADICTIONS = {
    "white is black": ({"value_range": [5, 5]}, "black is not below white"),
    "too few names of channels": ({"channels": ["DAPI", "GFP"]}, "2 names of 3 channels"),
    "a channel twice": ({"channels": ["DAPI", "GFP", "GFP"]}, "2 names of 3 channels"),
    "a class twice": ({"classes": ["disc", "disc"]}, "two classes have the same name"),
    "shares of other classes": ({"shares": [0.1, 0.2]}, "shares are of 2 classes, not of 1"),
    "a pattern that is none": ({"group_pattern": "("}, "is no regular expression"),
    "a pattern beyond counting": ({"group_pattern": "a{99999999999999999999}"}, "is no regular expression"),
}


@pytest.mark.parametrize(("changes", "reason"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        RunMetadata.model_validate({**FACTS.model_dump(), **changes})
    (tmp_path / "run.json").write_text(json.dumps({**FACTS.model_dump(mode="json"), **changes}))
    with pytest.raises(CenetError) as caught:
        RunMetadata.load(tmp_path / "run.json")
    assert caught.value.subject == str(tmp_path / "run.json")


def test_a_recipe_of_other_classes_does_not_fit():
    recipe = load_recipe("folder").replace(num_classes=3)
    with pytest.raises(ValueError, match="classes are 1 where the recipe has 2"):
        FACTS.check_fits(recipe)
    labels = LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (1,), (2,)), nested=True)
    facts = FACTS.model_copy(update={"classes": ("disc", "cup"), "labels": labels})
    with pytest.raises(ValueError, match="only one of labels and recipe is nested"):
        facts.check_fits(recipe)
    facts.check_fits(recipe.replace(nested=True))
