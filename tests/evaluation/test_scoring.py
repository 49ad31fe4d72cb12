"""Which images a pass scores, decided while it decodes each of them once."""

import shutil

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from released import release

from cenet.data import loading
from cenet.data.labels.encoding import LabelEncoding
from cenet.errors import CenetError
from cenet.evaluation import scoring
from cenet.evaluation.cases import load_case
from cenet.evaluation.image_source import find_images
from cenet.evaluation.scoring import Scorer, score_images
from cenet.evaluation.task_metrics import compute_task_metrics
from cenet.inference.run import Run


@pytest.fixture
def score(run, tmp_path):
    """Scores the images of a folder by the trained run."""
    opened = Run(run)

    def score_folder(data=None, part=None, *, by=opened, **options):
        scorer = Scorer(by, by.predictor(), "region", (), tmp_path / "kept" / "cases")
        return score_images(scorer, find_images(by, data, **options), part)

    return score_folder


def test_layers_are_measured_from_the_rows_between_pixels_where_they_were_drawn_so(run, draw, tmp_path, monkeypatch):
    drawn, evaluated = np.full((1, 64), 3.25), []

    def keep_image(names, image, *, group):
        evaluated.append(image)
        return compute_task_metrics((), image, group=group)

    monkeypatch.setattr(LabelEncoding, "rows", lambda labels, sample: drawn)
    monkeypatch.setattr(scoring, "compute_task_metrics", keep_image)
    opened = Run(run)
    scorer = Scorer(opened, opened.predictor(), "region", ("layers",), tmp_path / "cases")
    score_images(scorer, find_images(opened, draw(tmp_path / "data", count=1, seed=9)), None)
    assert [image.rows is drawn for image in evaluated] == [True]


def test_each_frame_of_a_dicom_is_scored_as_its_own_window_shows_it(score, tmp_path):
    dataset, groups = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)), []
    for centre in (-500, 500):
        window, group = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = centre, 1000
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    dataset.PerFrameFunctionalGroupsSequence = groups
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    dataset.save_as(tmp_path / "data" / "images" / "scan.dcm")
    mask = Image.fromarray(np.eye(128, dtype=np.uint8) * 255)
    mask.save(tmp_path / "data" / "masks" / "scan.tif", save_all=True, append_images=[mask])
    remarks = dict(remark for remark in score(tmp_path / "data").remarks if "display window" in remark[1])
    assert "-1000 to 0" in remarks["scan-00"]
    assert "0 to 1000" in remarks["scan-01"]


def names_of(scored):
    return [image.name for image in scored.images]


def test_of_known_and_unknown_images_the_test_part_is_scored(score, run, images, draw, tmp_path):
    data = draw(tmp_path / "data", count=2, seed=9)  # unknown ones come first
    for part in ("images", "masks", "regions"):
        for path in (images / part).iterdir():
            shutil.copy(path, data / part / path.name.replace("eye", "known"))
    scored = score(data)
    held_out = Run(run).split.parts["test"]
    assert (scored.part, names_of(scored)) == ("test", [name.replace("eye", "known") for name in held_out])
    assert {image.part for image in scored.images} == {"test"}


def test_unknown_images_are_all_scored(score, draw, tmp_path):
    scored = score(draw(tmp_path / "data", count=3, seed=9))
    assert (scored.part, names_of(scored)) == ("all", ["eye-0", "eye-1", "eye-2"])


def test_images_without_a_label_are_not_even_decoded_where_all_others_are_scored(score, draw, tmp_path, monkeypatch):
    data, decoded = draw(tmp_path / "data", count=3, seed=9), []
    (data / "masks" / "eye-1.png").unlink()
    read = loading.read_image
    monkeypatch.setattr(
        loading, "read_image", lambda path, **options: decoded.append(path.stem) or read(path, **options)
    )
    assert names_of(score(data)) == decoded == ["eye-0", "eye-2"]


def test_a_pass_ends_as_soon_as_the_part_cannot_be_complete(score, run, images, tmp_path, monkeypatch):
    data, decoded = shutil.copytree(images, tmp_path / "data"), []
    parts = Run(run).split.parts
    for name in parts["train"]:
        image = np.array(Image.open(data / "images" / f"{name}.png"))
        Image.fromarray(255 - image).save(data / "images" / f"{name}.png")
    read = loading.read_image
    monkeypatch.setattr(
        loading, "read_image", lambda path, **options: decoded.append(path.stem) or read(path, **options)
    )
    with pytest.raises(CenetError, match="does not hold the 3 images in the train part"):
        score(data, "train")
    assert len(decoded) < 6


def test_every_scored_image_is_kept_until_ranks_are_known(score, run, tmp_path):
    scored = score()
    assert all(load_case(tmp_path / "kept", name) for name in names_of(scored))
    assert names_of(scored) == list(Run(run).split.parts["test"])


@pytest.mark.parametrize("part", ["test", "validation", "train"])
def test_a_released_model_has_no_other_images_in_a_part(score, run, draw, tmp_path, part):
    model = Run(release(run, tmp_path))
    with pytest.raises(CenetError) as refusal:
        score(draw(tmp_path / "data", count=2, seed=9), part, by=model)
    assert str(refusal.value) == f"{model.path.name}: none of these images is in its {part} part; leave --split out"
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("part", [None, "test"])
def test_a_released_model_is_scored_on_the_test_part_of_another_run(score, run, images, tmp_path, part):
    model = Run(release(run, tmp_path))
    scored = score(images, part, by=model, splits=run / "splits.json")
    assert (scored.part, names_of(scored)) == ("test", list(Run(run).split.parts["test"]))
    assert scored.labels.names == ("foreground",)


def test_images_that_lack_some_of_the_split_are_refused(score, run, draw, tmp_path):
    with pytest.raises(CenetError, match="does not hold the 2 images in the test part of --splits, as they were"):
        score(draw(tmp_path / "data", count=4, seed=9), splits=run / "splits.json")


def test_what_the_model_was_trained_on_in_the_split_of_another_run_is_noted(score, run, images, tmp_path, capsys):
    model = Run(release(run, tmp_path))
    scored = score(images, "validation", by=model, splits=run / "splits.json")
    assert {image.part for image in scored.images} == {"train"}
    count = len(scored.images)
    assert f"{model.path.name} was trained on {count} of these images, such as" in capsys.readouterr().err
