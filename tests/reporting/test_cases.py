import base64
import io

import numpy as np
import pytest
from drawn_reports import write_evaluation
from PIL import Image

from cenet.data.io.outputs import OutputFolder
from cenet.data.io.read import read_image
from cenet.data.io.write import overlay
from cenet.errors import CenetError
from cenet.evaluation.cases import load_case
from cenet.reporting.cases import COMPARISON_COLOURS, draw_layer, list_class_colours, load_cases, write_overlays


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("cases") / "scores", images=5, size_px=64).report


def decode(address):
    kind, _, content = address.partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("count", "titles"),
    [
        (0, []),
        (-1, []),
        (1, ["Worst"]),
        (2, ["Worst", "Best"]),
        (3, ["Worst", "Median", "Best"]),
        (4, ["Worst", "4 of 5", "Median", "Best"]),
        (99, ["Worst", "4 of 5", "Median", "2 of 5", "Best"]),
    ],
)
def test_cases_go_evenly_from_the_worst_to_the_best(report, count, titles):
    cases = load_cases(report, count=count)
    assert [case.title for case in cases] == titles
    dice = [case.dice["vessel"] for case in cases]
    assert dice == sorted(dice)
    if count > 1:
        all_dice = [image.thresholds[0].scores["dice"] for image in report.classes[0].images]
        assert [dice[0], dice[-1]] == [min(all_dice), max(all_dice)]


def test_the_layers_are_image_truth_prediction_and_comparison(report):
    (shown,) = load_cases(report, count=1)
    case = load_case(report.folder, shown.name)
    layers = {name: decode(address) for name, address in shown.layers.items()}
    assert list(layers) == ["image", "truth", "prediction", "comparison"]
    assert [kind for kind, _ in layers.values()] == ["data:image/jpeg", *["data:image/png"] * 3]
    assert {image.size for _, image in layers.values()} == {(64, 64)} == {shown.size_px}
    opaque = {name: np.asarray(image)[..., 3] > 0 for name, (_, image) in layers.items() if name != "image"}
    assert (opaque["truth"] == (case.label == 1)).all()
    assert (opaque["prediction"] == (case.mask > 0)).all()
    assert not opaque["comparison"][~case.inside].any()
    assert opaque["comparison"].sum() == ((case.mask > 0) | (case.label == 1))[case.inside].sum()


def test_images_that_were_not_kept_are_shown_by_name_and_score(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=3, size_px=64, cases=False).report
    cases = load_cases(report, count=3)
    assert [case.layers for case in cases] == [{}] * 3
    assert all(case.name and case.dice["vessel"] > 0 for case in cases)


def test_a_corrupted_case_is_refused(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=1, size_px=64).report
    (file,) = (report.folder / "cases").iterdir()
    file.write_bytes(b"PK")
    with pytest.raises(CenetError) as refusal:
        load_cases(report, count=1)
    assert refusal.value.subject == str(file)


def test_overlays_are_drawn_of_the_worst_and_older_ones_go(report):
    output = OutputFolder(report.folder, verb="evaluate")
    with output.open("stale_overlay.png") as file:
        file.write(b"an earlier overlay")
    write_overlays(report, output, count=2)
    worst = sorted(case.name for case in load_cases(report, count=5)[:2])
    overlays = sorted(report.folder.glob("*_overlay.png"))
    assert [path.name for path in overlays] == [f"{name}_overlay.png" for name in worst]
    case = load_case(report.folder, worst[0])
    drawn, image = read_image(overlays[0]), overlay(case.image, np.zeros_like(case.mask))
    assert (drawn == overlay(case.image, case.mask, label=np.where(case.inside, case.label, 255))).all()
    assert ((case.mask > 0) & ~case.inside).any()
    assert (drawn[~case.inside] == image[~case.inside]).all()


@pytest.mark.parametrize("options", [{}, {"label": True}, {"colours": ("#ff0000", "#0000ff")}])
def test_a_layer_over_an_image_is_its_overlay(options):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[4:15, 5:20] = 1
    mask[8:12, 8:15] = 2
    if "label" in options:
        options = {"label": np.roll(mask, 3)}
    layer = draw_layer(mask, **options).astype(float)
    opacity = layer[..., 3:] / 255
    blended = image * (1 - opacity) + layer[..., :3] * opacity
    assert np.abs(blended - overlay(image, mask, **options)).max() <= 2


def test_a_large_image_is_made_smaller(report, monkeypatch):
    monkeypatch.setattr("cenet.reporting.cases.LARGEST_PX", 32)
    (case,) = load_cases(report, count=1)
    assert {decode(address)[1].size for address in case.layers.values()} == {(32, 32)}
    assert case.size_px == (64, 64)


def test_the_colours_differ(report):
    assert list_class_colours(report) == {"vessel": "#00eeff"}
    assert len(set(COMPARISON_COLOURS.values())) == 3
