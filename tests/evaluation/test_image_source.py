"""Which labelled images there are to score, and labels of classes that are not the run's."""

import numpy as np
import pytest
from PIL import Image
from released import release

from cenet.errors import CenetError
from cenet.evaluation.image_source import find_images, find_labels
from cenet.inference.run import Run


def test_a_released_model_without_data_is_named_as_it_was_called(run, tmp_path):
    model = release(run, tmp_path)
    with pytest.raises(CenetError) as refusal:
        find_images(Run(model), None)
    assert str(refusal.value) == f"{model.name}: does not know its images; name them with --data"


def test_labels_of_more_classes_than_the_run_has_are_refused_without_options_of_a_training(run, draw, tmp_path):
    data = draw(tmp_path / "data", count=2, num_classes=3)
    opened = Run(run)
    source = find_images(opened, data)
    with pytest.raises(CenetError) as refusal:
        find_labels(opened, source, foreign=True)
    assert "values 0, 1, 2" in refusal.value.cause
    assert refusal.value.cause.endswith("and the run has one class (foreground)")
    assert refusal.value.remedy.startswith("merge them, or ")
    assert refusal.value.remedy.endswith("or give their meaning in a classes.json")
    assert "--num-classes" not in str(refusal.value)


def test_labels_of_fewer_classes_than_the_run_has_are_refused_likewise(classes_run, draw, tmp_path):
    data = draw(tmp_path / "data", count=2)
    opened = Run(classes_run)
    with pytest.raises(CenetError) as refusal:
        find_labels(opened, find_images(opened, data), foreign=True)
    assert refusal.value.cause.endswith("and the run has 2 classes (class 1, class 2)")
    assert "--num-classes" not in str(refusal.value)


def test_numbered_objects_are_refused_likewise(classes_run, draw, tmp_path):
    data = draw(tmp_path / "data", count=3)
    for path in (data / "masks").iterdir():
        number = int(path.stem.removeprefix("eye-")) + 5
        label = np.zeros((48, 64), np.uint8)
        label[::4] = np.arange(12, dtype=np.uint8)[:, None] * (number // 4)
        Image.fromarray(label).save(path)
    opened = Run(classes_run)
    with pytest.raises(CenetError) as refusal:
        find_labels(opened, find_images(opened, data), foreign=True)
    assert "--num-classes" not in str(refusal.value)
