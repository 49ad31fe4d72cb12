"""What the service answers: masks, JSON, batches, its state, and a problem where it refuses."""

import base64
import csv
import io
import logging
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.data import get_testdata_file
from stub_service import ask, ask_all, encode_image, post_image, predict_bright, stub_app, stub_model

from cenet.errors import CenetError
from cenet.service.access import AccessPolicy
from cenet.service.application import build_service
from cenet.service.limits import ServiceLimits

DICOM = Path(str(get_testdata_file("SC_rgb_jpeg.dcm", download=False)))
TOKEN = "abcdefghijklmnopqrstuvwxyz"


def pixels_of(png):
    return np.array(Image.open(io.BytesIO(png)))


def check_problem(answer, status, kind):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:cenet:problem:{kind}"
    assert answer.json()["status"] == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_an_image_becomes_the_mask_that_predict_would_write():
    answer = post_image(stub_app())
    assert answer.headers["content-type"] == "image/png"
    assert pixels_of(answer.content).tolist() == [[0] * 6, *[[0, 0, 255, 255, 255, 0]] * 2, [0] * 6]


def test_run_lengths_give_the_same_mask():
    answer = post_image(stub_app(), "/v1/predict?format=json&include=mask&include=preview&include=probability").json()
    height, width = answer["classes"][0]["rle"]["size"]
    counts = answer["classes"][0]["rle"]["counts"]
    flat = np.concatenate([np.full(count, index % 2) for index, count in enumerate(counts)])
    mask = pixels_of(base64.b64decode(answer["mask"]))
    assert (flat.reshape(height, width, order="F") * 255 == mask).all()
    assert answer["classes"][0]["pixels"] == 6
    assert pixels_of(base64.b64decode(answer["probability"])).max() == 200
    assert pixels_of(base64.b64decode(answer["preview"])).tolist() == pixels_of(encode_image()).tolist()
    assert "not a medical device" in answer["notice"]


def test_probabilities_are_the_file_that_predict_would_write():
    answer = post_image(stub_app(), "/v1/predict?format=probability")
    assert tifffile.imread(io.BytesIO(answer.content)).max() == pytest.approx(200 / 255)


def test_measurements_come_as_json_and_as_the_table_that_predict_would_write():
    answer = post_image(stub_app(), "/v1/predict?format=json&include=measurements&pixel_size=500um").json()
    assert answer["measurements"]["area_px"] == {"value": 6, "low": 6, "high": 6}
    assert answer["measurements"]["area_mm2"]["value"] == 1.5
    assert 0 < answer["expected_dice"] < 1
    assert post_image(stub_app(), "/v1/predict?format=json").json()["measurements"] is None
    table = post_image(stub_app(), "/v1/predict?format=csv&pixel_size=500um")
    assert table.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(table.text))
    assert (row["model"], row["area_mm2"]) == ("bright", "1.5")


def test_a_dicom_image_becomes_a_dicom_segmentation_and_no_other_image_does():
    answer = post_image(stub_app(), "/v1/predict?format=dicom-seg", content=DICOM.read_bytes(), name="a.dcm")
    assert answer.headers["content-type"] == "application/dicom"
    segmentation = pydicom.dcmread(io.BytesIO(answer.content))
    mask = pixels_of(post_image(stub_app(), content=DICOM.read_bytes(), name="a.dcm").content)
    np.testing.assert_array_equal(segmentation.pixel_array, mask == 255)
    assert segmentation.SOPClassUID.name == "Segmentation Storage"
    check_problem(post_image(stub_app(), "/v1/predict?format=dicom-seg"), 422, "no-dicom")


def test_the_size_of_a_pixel_is_read_from_the_file():
    file = io.BytesIO()
    Image.fromarray(pixels_of(encode_image())).save(file, "PNG", dpi=(2540, 1270))
    answer = post_image(stub_app(), "/v1/predict?format=json", content=file.getvalue()).json()
    assert answer["pixel_um"] == pytest.approx([20, 10], rel=0.001)
    table = post_image(stub_app(), "/v1/predict?format=csv", content=file.getvalue())
    (row,) = csv.DictReader(io.StringIO(table.text))
    assert float(row["area_mm2"]) == pytest.approx(6 * 20 * 10 / 1e6, rel=0.01)


def test_a_grey_image_is_converted_as_predict_does():
    grey = encode_image(np.arange(16, dtype=np.uint8).reshape(4, 4))
    app = stub_app(stub_model(in_channels=3))
    assert len(post_image(app, "/v1/predict?format=json", content=grey).json()["notes"]) == 2


def test_uncertainty_is_the_file_that_predict_would_write_and_an_image():
    content = post_image(stub_app(), "/v1/predict?format=uncertainty").content
    total, disagreement = tifffile.imread(io.BytesIO(content))
    assert total.max() == pytest.approx(2 - 400 / 255)
    assert disagreement.max() == 0
    answer = post_image(stub_app(), "/v1/predict?format=json&include=uncertainty").json()
    assert pixels_of(base64.b64decode(answer["uncertainty"])).max() == 110
    assert post_image(stub_app(), "/v1/predict?format=json").json()["uncertainty"] is None


def test_an_empty_mask_is_pointed_out():
    black = np.zeros((4, 6, 3), np.uint8)
    black[0, 0] = 9
    answer = post_image(stub_app(), "/v1/predict?format=json", content=encode_image(black))
    assert len(answer.json()["notes"]) == 1


def test_a_request_may_name_its_model():
    inverse = stub_model("dark", lambda pixels, *, name, uncertainty: predict_bright(255 - pixels))
    app = stub_app(stub_model(), inverse)
    assert [model["name"] for model in ask(app, "GET", "/v1/models").json()["models"]] == ["bright", "dark"]
    assert pixels_of(post_image(app, "/v1/predict?model=dark").content)[0, 0] == 255
    check_problem(post_image(app, "/v1/predict?model=darkk"), 404, "no-such-model")


def test_a_page_of_a_tiff():
    file = io.BytesIO()
    tifffile.imwrite(file, np.stack([np.full((8, 8, 3), n * 100, np.uint8) for n in range(3)]), photometric="rgb")
    file.seek(0)
    check_problem(post_image(stub_app(), content=file.getvalue(), name="a.tif"), 422, "image-refused")
    pages = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, pages, photometric="rgb")
    answer = post_image(stub_app(), "/v1/predict?page=2", content=file.getvalue(), name="a.tif")
    assert (pixels_of(answer.content) == (pages[2].max(2) > 127) * 255).all()


def test_a_page_that_shows_nothing_is_predicted_as_predict_does_and_an_image_is_not():
    pages = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    pages[1] = 9
    files = []
    for content in (pages, pages[1]):
        files.append(io.BytesIO())
        tifffile.imwrite(files[-1], content, photometric="rgb")
    stack, image = (file.getvalue() for file in files)
    answer = post_image(stub_app(), "/v1/predict?page=1", content=stack, name="a.tif")
    assert not pixels_of(answer.content).any()
    check_problem(post_image(stub_app(), "/v1/predict?page=0", content=image, name="a.tif"), 422, "image-refused")


def test_a_batch_answers_each_image_in_its_order():
    contents = (encode_image(), b"none", encode_image())
    files = [("images", ("eye.png", content)) for content in contents]
    first, second, third = ask(stub_app(), "POST", "/v1/predict-batch", files=files).json()["items"]
    assert first == third
    assert first["prediction"]["classes"][0]["pixels"] == 6
    assert second["problem"]["status"] == 415


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 422, "image-refused"),
        (b"%PDF-1.7", 415, "image-format"),
        (encode_image()[:60], 422, "image-refused"),
        (encode_image(np.zeros((4, 4, 3), np.uint8)), 422, "image-refused"),
        (encode_image(np.arange(16, dtype=np.uint8).reshape(4, 4)), 422, "image-refused"),
    ],
    ids=["empty", "a pdf", "cut off", "all of one value", "grey"],
)
def test_an_image_that_cannot_be_predicted_is_a_problem(content, status, kind):
    answer = post_image(stub_app(), content=content, name="Jane Doe.png")
    check_problem(answer, status, kind)
    assert "Jane" not in answer.text
    assert "/cenet-" not in answer.text


def test_an_image_with_more_pixels_than_allowed_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setenv("CENET_MAX_PIXELS", "20")
    check_problem(post_image(stub_app()), 413, "image-too-large")


def test_a_body_larger_than_allowed_is_refused_with_and_without_its_length():
    app = stub_app(limits=ServiceLimits(max_body_bytes=1000))
    check_problem(post_image(app, content=b"x" * 1000), 413, "body-too-large")

    async def stream():
        yield b'--a\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 100

    headers = {"content-type": "multipart/form-data; boundary=a"}
    check_problem(ask(app, "POST", "/v1/predict", content=stream(), headers=headers), 413, "body-too-large")


@pytest.mark.parametrize(("end", "status"), [(b"", 422), (b"x" * 1000, 413), (b"\r\n--a--\r\n", 415)])
def test_files_of_a_body_are_closed_even_where_it_breaks_off(end, status, monkeypatch):
    opened = []

    def note(**options):
        opened.append(SpooledTemporaryFile(**options))  # noqa: SIM115  # the service is to close it
        return opened[-1]

    async def stream():
        yield b'--a\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n\r\nno image'
        yield end

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", note)
    headers = {"content-type": "multipart/form-data; boundary=a"}
    app = stub_app(limits=ServiceLimits(max_body_bytes=1000))
    assert ask(app, "POST", "/v1/predict", content=stream(), headers=headers).status_code == status
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, -10, -4, -3])
def test_a_batch_that_was_cut_off_is_refused_whole(kept):
    image = encode_image()
    head = b'--edge\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
    body = (head + image + b"\r\n") * 3 + b"--edge--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    whole = ask(stub_app(), "POST", "/v1/predict-batch", content=body, headers=headers)
    assert len(whole.json()["items"]) == 3
    end = kept if kept < 0 else int(kept * len(body))
    cut = ask(stub_app(), "POST", "/v1/predict-batch", content=body[:end], headers=headers)
    check_problem(cut, 422, "body-damaged")


@pytest.mark.parametrize(
    ("headers", "content", "status", "kind"),
    [
        ({}, b"x", 415, "body-not-multipart"),
        ({"content-type": "image/png"}, encode_image(), 415, "body-not-multipart"),
        ({"content-type": "multipart/form-data"}, b"x", 422, "body-damaged"),
        ({"content-type": "multipart/form-data; boundary=a"}, b"--b\r\n", 422, "body-damaged"),
        ({"content-type": "multipart/form-data; boundary=a"}, b"--a--\r\n", 422, "missing-image"),
    ],
)
def test_a_body_that_is_no_form_is_a_problem(headers, content, status, kind):
    check_problem(ask(stub_app(), "POST", "/v1/predict", headers=headers, content=content), status, kind)


@pytest.mark.parametrize("query", ["format=bmp", "page=-1", "page=x", "include=all", "pixel_size=wide"])
def test_a_wrong_option_is_a_problem(query):
    check_problem(post_image(stub_app(), f"/v1/predict?{query}"), 422, "invalid-option")


def test_an_unknown_path_and_method_are_problems():
    check_problem(ask(stub_app(), "GET", "/secret"), 404, "not-found")
    check_problem(ask(stub_app(), "DELETE", "/v1/predict"), 405, "method-not-allowed")


def test_a_failure_of_our_own_says_nothing_of_the_image(caplog):
    def fail(pixels, *, name, uncertainty):
        raise RuntimeError("Jane Doe")

    logging.getLogger("cenet.service").propagate = True
    answer = post_image(stub_app(stub_model(predict=fail)))
    check_problem(answer, 500, "failed")
    assert "RuntimeError at" in caplog.text
    assert "Jane" not in answer.text + caplog.text


def test_the_log_names_neither_file_nor_query(caplog):
    logging.getLogger("cenet.service").propagate = True
    with caplog.at_level(logging.INFO, "cenet.service"):
        answer = post_image(stub_app(), "/v1/predict?Jane=Doe", name="Jane Doe.png")
        ask(stub_app(), "GET", "/Jane")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith(f"{answer.headers['x-request-id']} POST /v1/predict 200 ")
    assert "Jane" not in caplog.text


def test_state_and_counters():
    app = stub_app()
    post_image(app)
    assert ask(app, "GET", "/health").json() == ask(app, "GET", "/ready").json() == {"status": "ok"}
    counters = ask(app, "GET", "/metrics").text
    assert 'cenet_requests_total{route="/v1/predict",status="200"} 1.0' in counters
    assert 'cenet_images_total{model="bright"} 1.0' in counters
    assert 'cenet_stage_seconds_count{stage="predict"} 1.0' in counters
    app.state.service.queue.draining = True
    check_problem(ask(app, "GET", "/ready"), 503, "stopping")
    check_problem(post_image(app), 503, "stopping")


def test_the_token_is_asked_of_all_that_is_not_open():
    app = stub_app(policy=AccessPolicy(TOKEN, None))
    for path in ("/health", "/ready", "/docs", "/openapi.json", "/assets/docs.js"):
        assert ask(app, "GET", path).status_code == 200
    check_problem(ask(app, "GET", "/v1/models"), 401, "token")
    check_problem(post_image(app, headers={"Authorization": f"Bearer {TOKEN}x"}), 401, "token")
    check_problem(ask(app, "GET", "/v1/models", headers={"Cookie": f"cenet-token={TOKEN}"}), 401, "token")
    assert post_image(app, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_page_of_another_site_cannot_ask():
    app = stub_app()
    check_problem(ask(app, "GET", "/v1/models", headers={"Host": "evil.example"}), 421, "wrong-host")
    check_problem(post_image(app, headers={"Origin": "https://evil.example"}), 403, "wrong-origin")
    assert post_image(app, headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_the_schema_describes_what_is_answered():
    schema = ask(stub_app(), "GET", "/openapi.json").json()
    predict = schema["paths"]["/v1/predict"]["post"]
    assert list(predict["requestBody"]["content"]) == ["multipart/form-data"]
    assert set(predict["responses"]) >= {"200", "413", "415", "422", "429", "503"}
    assert list(predict["responses"]["429"]["content"]) == ["application/problem+json"]


def test_the_page_of_the_documentation_asks_for_our_own_files_alone():
    page = ask(stub_app(), "GET", "/docs")
    assert "http" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/assets/docs.js", "/assets/swagger-ui/swagger-ui.css", "/assets/swagger-ui/swagger-ui-bundle.js"):
        assert path in page.text
        assert ask(stub_app(), "GET", path).status_code == 200


def test_requests_that_come_together_are_all_answered():
    app = stub_app()
    files = {"image": ("eye.png", encode_image())}
    answers = ask_all(app, *[("POST", "/v1/predict", {"files": files})] * 8)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.headers["x-request-id"] for answer in answers}) == 8


def test_a_service_that_could_decode_no_image_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr("cenet.service.uploads.SHARED_MEMORY", tmp_path / "none")
    stub_app()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(CenetError) as caught:
        stub_app()
    assert caught.value.subject == "temporary folder"
    assert "TMPDIR" in caught.value.remedy


def test_the_overlay_shows_the_mask_on_the_image():
    overlay = pixels_of(post_image(stub_app(), "/v1/predict?format=overlay").content)
    assert (overlay != pixels_of(encode_image())).any(axis=2).sum() >= 6


def test_one_of_several_frames_of_a_dicom_has_no_segmentation():
    frames = Path(str(get_testdata_file("SC_rgb_rle_2frame.dcm", download=False))).read_bytes()
    check_problem(
        post_image(stub_app(), "/v1/predict?format=dicom-seg&page=0", content=frames, name="a.dcm"), 422, "no-dicom"
    )


def test_each_frame_of_a_dicom_is_shown_by_its_own_window():
    dataset, groups = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)), []
    for centre in (-5000, 5000):  # all white, all black
        window, group = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = centre, 100
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    dataset.PerFrameFunctionalGroupsSequence = groups
    file = io.BytesIO()
    dataset.save_as(file)
    app = stub_app(stub_model(in_channels=3, dtype="uint8"))
    for page, value in enumerate((255, 0)):
        answer = post_image(app, f"/v1/predict?page={page}", content=file.getvalue(), name="a.dcm")
        assert set(np.unique(pixels_of(answer.content))) == {value}


def test_a_batch_has_a_limit_and_a_service_a_model():
    image = ("images", ("eye.png", encode_image()))
    app = stub_app(limits=ServiceLimits(max_batch=2))
    assert ask(app, "POST", "/v1/predict-batch", files=[image] * 2).status_code == 200
    for count in (3, 4, 5, 50):
        answer = ask(app, "POST", "/v1/predict-batch", files=[image] * count)
        check_problem(answer, 422, "too-many-files")
    check_problem(ask(app, "POST", "/v1/predict-batch", files={"image": image[1]}), 422, "missing-image")
    with pytest.raises(CenetError, match="no model is named"):
        build_service({})
