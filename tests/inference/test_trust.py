"""Which masks to trust: the expected Dice, the images to look at first, and measurements beside the masks."""

import csv

import numpy as np
import pytest
from PIL import Image

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.inference.predict import write_predictions
from cenet.inference.prediction import Prediction
from cenet.inference.trust import (
    MeasurementOptions,
    PredictionRecord,
    estimate_prediction_dice,
    list_first_to_look_at,
    measure_prediction,
)


def test_the_least_certain_and_the_unfamiliar_come_first():
    expected = {f"{number}.png": 0.9 - number / 100 for number in range(9)}
    listed = list_first_to_look_at(expected, ["0.png"])
    assert listed.index("0.png") < listed.index("8.png") < listed.index("7.png")
    assert "1.png" not in listed
    assert list_first_to_look_at({"a.png": 0.1}, []) is None


def test_the_classes_of_a_softmax_count_alike():
    maps = np.array([[[0.0, 0.0, 0.2]], [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.8]]], np.float32)
    assert estimate_prediction_dice(Prediction(maps)) == pytest.approx((1 + 3.6 / 3.8) / 2)


def test_predictions_are_measured_into_a_table_that_a_second_call_completes(run, images, tmp_path):
    photos = [images / "images" / f"eye-{number}.png" for number in range(2)]
    options = {"output": tmp_path / "out", "device": "cpu", "measure": MeasurementOptions("vessels", (10, 10))}
    write_predictions(run, photos[:1], **options)
    remarks = write_predictions(run, photos, **options)
    assert any("1 of 2" in remark for remark in remarks)
    rows = list(csv.DictReader((tmp_path / "out" / "measurements.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["eye-0.png", "eye-1.png"]
    for row in rows:
        ends = (float(row[f"area_px_{end}_over_thresholds"]) for end in ("min", "max"))
        assert next(ends) <= float(row["area_px"]) <= next(ends)
        assert 0 < float(row["expected_dice_ratio"]) <= 1
        assert float(row["length_mm"]) == pytest.approx(float(row["length_px"]) / 100, rel=1e-4)


def test_the_size_of_a_pixel_is_read_from_the_file_where_no_option_states_it(run, images, tmp_path):
    photo = Image.open(images / "images" / "eye-0.png")
    photo.save(tmp_path / "stated.png", dpi=(2540, 2540))
    photo.save(tmp_path / "silent.png")
    photos = [tmp_path / "silent.png", tmp_path / "stated.png"]
    write_predictions(run, photos, output=tmp_path / "out", device="cpu", measure=MeasurementOptions("vessels"))
    silent, stated = csv.DictReader((tmp_path / "out" / "measurements.csv").read_text().splitlines())
    assert (silent["pixel_size"], silent["length_mm"]) == ("", "")
    assert stated["pixel_size"] == "10 µm"
    assert float(stated["length_mm"]) == pytest.approx(float(silent["length_px"]) / 100, rel=1e-4)


@pytest.mark.parametrize("first", [True, False])
def test_measured_and_other_predictions_are_not_mixed(run, images, tmp_path, first):
    photos = [images / "images" / f"eye-{number}.png" for number in range(2)]
    options = {"output": tmp_path, "device": "cpu"}
    write_predictions(run, photos[:1], measure=MeasurementOptions() if first else None, **options)
    with pytest.raises(CenetError, match="with --measure" if first else "without --measure"):
        write_predictions(run, photos, measure=None if first else MeasurementOptions(), **options)


def test_a_folder_that_notes_no_measurements_is_completed(run, images, tmp_path):
    photos = [images / "images" / f"eye-{number}.png" for number in range(2)]
    write_predictions(run, photos[:1], output=tmp_path, device="cpu")
    notes = tmp_path / ".cenet.jsonl"
    notes.write_text(notes.read_text().replace('"measure":"",', ""))
    assert '"measure"' not in notes.read_text()
    assert "1 of 2" in write_predictions(run, photos, output=tmp_path, device="cpu")[0]


def test_a_single_mask_is_not_measured_beside(run, images, tmp_path):
    with pytest.raises(CenetError):
        write_predictions(
            run, images / "images" / "eye-0.png", output=tmp_path / "a.png", device="cpu", measure=MeasurementOptions()
        )


def test_vessels_of_a_black_image_are_measured_without_a_density():
    probabilities = np.zeros((1, 30, 40), np.float32)
    probabilities[0, 10:12] = 0.9
    values = measure_prediction(
        Prediction(probabilities, (0.5,)), np.zeros((30, 40, 3), np.uint8), "vessels", names=("vessel",)
    )
    assert values["area_px"] == 80
    assert np.isnan(values["density_ratio"])


def test_masks_of_one_class_are_not_measured_as_layers(run, images, tmp_path):
    photo, options = images / "images" / "eye-0.png", {"output": tmp_path / "out", "device": "cpu"}
    with pytest.raises(CenetError, match="--task oct: the run has one class"):
        write_predictions(run, photo, measure=MeasurementOptions("oct"), **options)
    assert not (tmp_path / "out").exists()


def test_of_a_single_boundary_the_area_is_measured(tmp_path):
    output = OutputFolder(tmp_path, verb="predict")
    record = PredictionRecord(output, MeasurementOptions(), task="oct", names=("below",))
    assert record.kind == "area"
    assert PredictionRecord(output, MeasurementOptions(), task="oct", names=("top", "below")).kind == "layers"


def test_an_inner_region_counts_in_the_one_around_it():
    maps = np.full((2, 20, 20), 0.1, np.float32)
    maps[0, 4:16, 4:16] = maps[1, 8:12, 8:12] = 0.9
    prediction, pixels = Prediction(maps, (0.5, 0.5)), np.zeros((20, 20, 3), np.uint8)
    values = measure_prediction(prediction, pixels, "disc", names=("disc", "cup"))
    assert (values["area_disc_px"], values["area_cup_px"], values["disc_area_px"]) == (144, 16, 144)


def test_layers_are_measured_between_pixels():
    rows = np.arange(20)[:, None] + 0.5
    first, second = (np.clip(rows - edge + 0.5, 0, 1) * np.ones(12) for edge in (6.25, 14.5))
    prediction = Prediction(np.stack([1 - first, first - second, second]).astype(np.float32), ordered=True)
    pixels = np.zeros((20, 12, 3), np.uint8)
    values = measure_prediction(prediction, pixels, "layers", names=("upper", "below"), pixel_um=(4, 10))
    expected = np.diff(prediction.layers[1], axis=0).mean()
    assert expected % 1 > 0.1  # between pixels
    assert values["thickness_upper_px"] == pytest.approx(expected)
    assert values["thickness_upper_um"] == pytest.approx(4 * expected)


def test_where_a_localiser_found_nothing_one_looks_first():
    nothing = Prediction(np.zeros((2, 4, 4), np.float32), (0.5, 0.5))
    assert estimate_prediction_dice(nothing) == 0


def test_images_of_the_same_expected_dice_are_listed_in_their_order():
    listed = list_first_to_look_at({f"{number}.png": 0.5 for number in range(9)}, ["3.png"])
    assert [name for name in listed.replace(",", "").split() if name.endswith(".png")] == [
        f"{number}.png" for number in (3, 0, 1, 2, 4)
    ]
