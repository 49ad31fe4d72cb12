"""Quantisation to int8, and its gate."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_network

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.exporting.agreement import check_agreement, measure_agreement
from cenet.exporting.images import GateImage, GateImages
from cenet.exporting.quantise import list_end_operations
from cenet.inference.exported import Agreement, ExportedModel
from cenet.inference.prediction import Prediction


def test_int8_is_calibrated_and_passes_its_gate(run, tmp_path):
    """In a process of its own: after OpenVINO and NNCF have computed in one, a loader that forks may crash there."""
    command = [sys.executable, "-m", "cenet", "export", str(run), "--output", str(tmp_path / "eyes.xml")]
    options = ["--precision", "int8", "--plugin", tiny_network.__file__]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    info = ExportedModel(tmp_path / "eyes.xml").info
    assert info.precision == "int8"
    assert info.agreement.largest_difference > 1e-4  # it is no copy in fp32
    assert info.agreement.mask_agreement >= 0.99
    assert info.agreement.dice_lost < 0.002


@pytest.mark.parametrize(("count", "expected"), [(0, ""), (1, "abi"), (2, "abcdghi"), (9, "abcdefghi")])
def test_layers_at_both_ends_stay_in_float(count, expected):
    kinds = zip("abcdefghi", ["Parameter", "Convolution", "Relu", "Convolution", "Add"] * 2, strict=False)
    nodes = [
        SimpleNamespace(get_friendly_name=lambda name=name: name, get_type_name=lambda kind=kind: kind)
        for name, kind in kinds
    ]
    model = SimpleNamespace(get_ordered_ops=lambda: nodes)
    assert "".join(list_end_operations(model, count)) == expected


@pytest.mark.parametrize(
    ("measured", "passes"),
    [
        ({"mask_agreement": 0.995, "dice_lost": 0.001}, True),
        ({"mask_agreement": 0.98, "dice_lost": 0.0}, False),
        ({"mask_agreement": 0.995, "dice_lost": 0.002}, False),
        ({"mask_agreement": 0.995, "mask_dice": 0.995}, True),
        ({"mask_agreement": 0.995, "mask_dice": 0.98}, False),
        ({"mask_agreement": 1.0, "judged": 0}, False),
    ],
)
def test_the_gate_of_int8(measured, passes):
    agreement = Agreement(images="x", count=1, largest_difference=0.3, dice=0.8, engine="x 1", **measured)
    if passes:
        check_agreement(agreement, "run", precision="int8")
        return
    with pytest.raises(CenetError) as refusal:
        check_agreement(agreement, "run", precision="int8")
    assert "--calibration" in refusal.value.remedy


@pytest.mark.parametrize(("difference", "passes"), [(9e-5, True), (1.1e-4, False)])
def test_the_gate_of_fp32(difference, passes):
    agreement = Agreement(images="x", count=1, largest_difference=difference, mask_agreement=1, engine="x 1")
    if passes:
        check_agreement(agreement, "run", precision="fp32")
        return
    with pytest.raises(CenetError):
        check_agreement(agreement, "run", precision="fp32")


@pytest.mark.parametrize("worst", [0, 1, 2])
def test_the_worst_image_decides(worst):
    maps = np.full((1, 10, 10), 0.6, np.float32)
    other = maps.copy()
    other[0, 0] = 0.3  # a tenth of the pixels leaves the mask
    images = [GateImage(str(number), np.zeros((10, 10, 3), np.uint8)) for number in range(3)]
    answers = {str(number): other if number == worst else maps for number in range(3)}
    exported = SimpleNamespace(
        predict_raw_and_calibrated=lambda _, name: (answers[name], Prediction(answers[name], (0.5,))),
        engine=SimpleNamespace(name="x", version="1"),
    )
    expected = [(maps, Prediction(maps, (0.5,)))] * 3
    measured = measure_agreement(expected, exported, GateImages("x", images, ()), recipe=load_recipe("folder"))
    assert (measured.largest_difference, measured.mask_agreement) == pytest.approx((0.3, 0.9))
