"""What the page of `cenet app` asks, without a browser: who may see it, measurements, and corrections."""

import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from stub_service import ask, encode_image, stub_model

from cenet.data.io.files import hash_file
from cenet.data.io.read import read_image, read_label
from cenet.service.answers import encode_run_lengths
from cenet.service.page import build_page, make_token

DICOM = Path(str(get_testdata_file("SC_rgb_jpeg.dcm", download=False)))
TOKEN = "abcdefghijklmnopqrstuvwxyz"
SEEN = {"Cookie": f"cenet-token-1={TOKEN}"}
MODEL = stub_model(classes=("spot",), kind="vessels", fingerprint="f" * 64)
SPOT = np.zeros((4, 6), np.uint8)
SPOT[1:3, 2:5] = 1  # what is bright in the image of `encode_image`


@pytest.fixture
def app(tmp_path):
    return build_page({MODEL.name: MODEL}, token=TOKEN, port=1, corrections=tmp_path / "corrections")


def post(app, path, image=None, **fields):
    """Sends a form as the page does."""
    files = {} if image is None else {"image": ("eye.png", image)}
    files |= {name: ("blob", json.dumps(value)) for name, value in fields.items()}
    return ask(app, "POST", path, files=files, headers=SEEN)


def outlines(mask):
    return [{"index": 1, "rle": encode_run_lengths(mask == 1).model_dump()}]


def correction(corrected, predicted=SPOT, **changes):
    return {
        "model": "bright",
        "name": "eye.png",
        "predicted": outlines(predicted),
        "corrected": outlines(corrected),
        **changes,
    }


def test_only_who_knows_the_token_sees_the_page():
    app = build_page({MODEL.name: MODEL}, token=TOKEN, port=1, corrections=None)
    locked = ask(app, "GET", "/")
    assert locked.status_code == ask(app, "GET", "/?token=guess").status_code == 401
    assert "script" not in locked.text
    shown = ask(app, "GET", f"/?token={TOKEN}")
    assert shown.status_code == 200
    assert f"cenet-token-1={TOKEN}; HttpOnly" in shown.headers["set-cookie"]
    assert ask(app, "GET", "/", headers=SEEN).text == shown.text
    assert ask(app, "GET", "/", headers={"Cookie": SEEN["Cookie"].replace("-1", "-2")}).status_code == 401
    assert ask(app, "POST", "/page/predict", files={"image": ("eye.png", encode_image())}).status_code == 401
    assert len({make_token() for _ in range(9)}) == 9


@pytest.mark.parametrize("uncertainty", [False, True])
def test_a_prediction_is_measured_at_the_pixel_size_that_is_stated(app, uncertainty):
    predicted = post(app, f"/page/predict?uncertainty={str(uncertainty).lower()}", encode_image()).json()
    assert predicted["is_dicom"] is False
    assert (predicted.get("uncertainty") is not None) == uncertainty
    measured = post(app, "/page/measure", measure={"id": predicted["id"]}).json()
    assert measured["pixel_um"] is None
    assert measured["values"]["area_px"]["value"] == SPOT.sum()
    scaled = post(app, "/page/measure", measure={"id": predicted["id"], "pixel_size": "10um"}).json()
    assert scaled["pixel_um"] == [10, 10]
    assert scaled["values"]["area_mm2"]["value"] == pytest.approx(SPOT.sum() * 1e-4)


def test_a_corrected_mask_is_measured_instead(app):
    key = post(app, "/page/predict", encode_image()).json()["id"]
    corrected = SPOT.copy()
    corrected[0] = 1
    measured = post(app, "/page/measure", measure={"id": key, "corrected": outlines(corrected)}).json()
    assert measured["values"]["area_px"] == {"value": corrected.sum(), "low": None, "high": None}


def test_what_cannot_be_measured_is_a_problem(app):
    key = post(app, "/page/predict", encode_image()).json()["id"]
    for sent, status in (
        ({"id": "gone"}, 404),
        ({"id": key, "pixel_size": "wide"}, 422),
        ({"id": key, "corrected": outlines(SPOT[:2])}, 422),
        ({"corrected": None}, 422),
    ):
        answer = post(app, "/page/measure", measure=sent)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_correction_is_saved_beside_its_image(app, tmp_path):
    saved = post(app, "/page/corrections", encode_image(), correction=correction(1 - SPOT)).json()
    assert saved["folder"] == str(tmp_path / "corrections")
    assert (saved["model"], saved["fingerprint"]) == ("bright", "f" * 64)
    assert saved["changed_pixels"] == SPOT.size
    mask = read_label(tmp_path / "corrections" / "bright" / "masks" / "eye.png")
    assert np.array_equal(mask > 0, SPOT == 0)
    assert (saved["added_pixels"], saved["removed_pixels"]) == ({"spot": 18}, {"spot": 6})
    folder = tmp_path / "corrections" / "bright"
    assert saved["image_sha256"] == hash_file(folder / "images" / "eye.png")
    assert saved["mask_sha256"] == hash_file(folder / "masks" / "eye.png")


def test_a_correction_that_cannot_be_saved_is_a_problem(app, tmp_path):
    for sent, status in (
        (correction(SPOT[:2]), 422),
        (correction(SPOT, model="other"), 404),
        ({"model": "bright"}, 422),
    ):
        assert post(app, "/page/corrections", encode_image(), correction=sent).status_code == status
    assert not (tmp_path / "corrections").exists()
    (tmp_path / "corrections").write_text("a file")
    answer = post(app, "/page/corrections", encode_image(), correction=correction(SPOT))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:cenet:problem:not-saved")


def test_a_corrected_mask_is_downloaded_as_png(app):
    answer = post(app, "/page/mask", correction=correction(1 - SPOT))
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(np.array(Image.open(io.BytesIO(answer.content))) > 0, SPOT == 0)


def test_a_corrected_mask_of_a_dicom_image_says_that_it_was_corrected(app):
    shape = read_image(DICOM).shape[:2]
    predicted, corrected = np.zeros((2, *shape), np.uint8)
    corrected[10:20, 10:20] = 1
    kinds = []
    for mask in (corrected, predicted):
        answer = post(app, "/page/dicom-seg", DICOM.read_bytes(), correction=correction(corrected, mask))
        segmentation = pydicom.dcmread(io.BytesIO(answer.content))
        assert segmentation.pixel_array.sum() == 100
        kinds.append(segmentation.SegmentSequence[0].SegmentAlgorithmType)
    assert kinds == ["AUTOMATIC", "SEMIAUTOMATIC"]
    assert post(app, "/page/dicom-seg", encode_image(), correction=correction(SPOT)).status_code == 422


def test_the_size_of_a_pixel_in_the_file_counts_unless_another_is_stated(app):
    file = io.BytesIO()
    Image.open(io.BytesIO(encode_image())).save(file, "PNG", dpi=(2540, 1270))
    key = post(app, "/page/predict", file.getvalue()).json()["id"]
    measured = post(app, "/page/measure", measure={"id": key}).json()
    assert measured["pixel_um"] == pytest.approx([20, 10], rel=1e-3)
    assert measured["values"]["area_mm2"]["value"] == pytest.approx(SPOT.sum() * 2e-4, rel=0.01)
