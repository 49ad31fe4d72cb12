from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.config.recipe import Recipe
from cenet.data.labels.detect import detect_encoding
from cenet.data.sample import Sample
from cenet.datasets.registry import TASKS
from cenet.datasets.resolve import read_dataset, resolve_dataset, resolve_label_encoding
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError


def test_a_mistyped_task_is_refused_with_the_nearest_name():
    with pytest.raises(CenetError) as error:
        resolve_dataset("drvie")
    assert error.value.subject == "task drvie"
    assert "drive" in error.value.remedy


def test_a_reader_of_ones_own_is_a_task_like_any_other(monkeypatch, tmp_path):
    def read_slides(folder, *, group_pattern=None):
        return [Sample(path.stem, path, (folder / "masks" / path.name,)) for path in (folder / "images").iterdir()]

    spec = DatasetSpec("Slides", "my own", "DATA/images, DATA/masks", "every slide", ("nucleus",), read_slides)
    monkeypatch.setitem(TASKS, "slides", spec)
    lines(tmp_path)
    recipe = Recipe(name="slides", task="slides")
    samples = resolve_dataset(recipe.task).read(tmp_path)
    encoding = resolve_label_encoding(recipe.task, samples, num_classes=1, names=("nucleus",), folder=tmp_path)
    assert encoding.describe() == "0 -> background, 255 -> nucleus"


def test_a_reader_that_replaces_that_of_a_recognised_layout_is_the_one_that_is_used(monkeypatch, tmp_path):
    sample = Sample("mine", tmp_path / "mine.png")
    monkeypatch.setitem(TASKS, "mine", replace(TASKS["folder"], read=lambda folder, *, group_pattern=None: [sample]))
    assert read_dataset("mine", tmp_path).samples == [sample]


@pytest.fixture
def cells(tmp_path):
    tifffile.imwrite(tmp_path / "train-volume.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    labels = np.full((3, 8, 8), 255, np.uint8)
    labels[:, 4] = 0
    tifffile.imwrite(tmp_path / "train-labels.tif", labels, photometric="minisblack")
    return tmp_path


def lines(folder, *, values=(0, 255)):
    for part in ("images", "masks"):
        (folder / part).mkdir()
        Image.fromarray(np.array(values, np.uint8)[np.eye(8, dtype=int)]).save(folder / part / "a.png")
    return folder


def test_the_membrane_is_the_foreground_whatever_is_more(cells):
    samples = TASKS["cells"].read(cells)
    labels = resolve_label_encoding("cells", samples, num_classes=1, folder=cells)
    assert labels.describe() == "255 -> background, 0 -> membrane"
    assert [labels.read(sample).sum() for sample in samples] == [8, 8, 8]


def test_every_file_is_checked_against_a_fixed_meaning(cells):
    labels = tifffile.imread(cells / "train-labels.tif")
    labels[2, 0, 0] = 1
    tifffile.imwrite(cells / "train-labels.tif", labels, photometric="minisblack")
    with pytest.raises(CenetError, match=r"train-labels\.tif: slice 2 of the label holds 1, but the labels are: 255 "):
        resolve_label_encoding("cells", TASKS["cells"].read(cells), num_classes=1)


@pytest.mark.parametrize(("num_classes", "nested"), [(3, False), (4, True), (1, True)])
def test_options_that_contradict_a_fixed_meaning_are_reported_with_those_that_do_not(cells, num_classes, nested):
    samples = TASKS["cells"].read(cells)
    message = "its labels have classes, beside the background: membrane; pass --num-classes 1 --nested false"
    with pytest.raises(CenetError, match=message):
        resolve_label_encoding("cells", samples, num_classes=num_classes, nested=nested, folder=cells)


def test_two_classes_are_one_foreground(cells):
    assert resolve_label_encoding("cells", TASKS["cells"].read(cells), num_classes=2).names == ("membrane",)


def test_a_fixed_meaning_has_no_ignored_value_of_the_users(cells):
    with pytest.raises(CenetError, match=r"--ignore-value 7: .* fixed meaning \(255 -> background, 0 ->"):
        resolve_label_encoding("cells", TASKS["cells"].read(cells), num_classes=1, ignore_value=7)


def test_a_declaration_beside_a_fixed_meaning_is_reported(cells):
    (cells / "classes.json").write_text('{"classes": [{"name": "cell"}]}')
    with pytest.raises(CenetError, match=r"classes\.json: .* fixed meaning; remove the file, or"):
        resolve_label_encoding("cells", TASKS["cells"].read(cells), num_classes=1, folder=cells)


def test_the_value_of_unannotated_pixels_reaches_a_map_of_layers(tmp_path):
    column = np.array([[0, 255], [2, 255], [1, 255], [0, 255]], np.uint8)
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
        Image.fromarray(column).save(tmp_path / part / "a.png")
    samples = TASKS["oct"].read(tmp_path)
    labels = resolve_label_encoding("oct", samples, num_classes=4, ignore_value=255, folder=tmp_path)
    assert labels.read(samples[0]).T.tolist() == [[0, 1, 2, 3], [255] * 4]
    with pytest.raises(CenetError, match="layer 1, layer 2, below; pass --num-classes 4 --nested false"):
        resolve_label_encoding("oct", samples, num_classes=12, ignore_value=255)


def test_what_no_task_fixes_is_recognised(tmp_path):
    samples = TASKS["lung"].read(lines(tmp_path))
    how = {"num_classes": 1, "names": ("lung",), "folder": tmp_path}
    assert resolve_label_encoding("lung", samples, **how) == detect_encoding(samples, **how)


@pytest.mark.parametrize("task", TASKS)
def test_a_set_without_labels_is_reported_whatever_the_task(task, tmp_path):
    with pytest.raises(CenetError, match="no image has a label; "):
        resolve_label_encoding(task, [Sample("a", tmp_path / "a.png")], num_classes=1)
