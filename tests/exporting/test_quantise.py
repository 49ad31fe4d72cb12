"""Quantisation to int8, and its gate."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import tiny_network

from cenet.errors import CenetError
from cenet.exporting.agreement import check_agreement
from cenet.exporting.quantise import list_end_operations
from cenet.inference.exported import Agreement, ExportedModel


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
