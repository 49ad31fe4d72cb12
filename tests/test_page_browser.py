"""The page of `cenet app` in a real browser: choose, look, correct, save, download, and what goes wrong."""

import csv
import io
import json
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import uvicorn
from PIL import Image
from pydicom.data import get_testdata_file
from stub_service import ask, stub_model

from cenet.data.io.read import read_image, read_label
from cenet.datasets.folder import read_folder
from cenet.inference.prediction import Prediction
from cenet.service.measuring import RecentPredictions
from cenet.service.page import build_page
from cenet.service.server import open_socket

TOKEN = "abcdefghijklmnopqrstuvwxyz"


def predict_halves(pixels, *, name="image", uncertainty=False):
    """Left and right halves as two classes; says that every image is unfamiliar."""
    probabilities = np.zeros((3, *pixels.shape[:2]), np.float32)
    probabilities[1, :, : pixels.shape[1] // 2] = 1
    probabilities[2, :, pixels.shape[1] // 2 :] = 1
    return Prediction(probabilities, unfamiliar="unlike the training images: brightness")


LONG_TITLE = "bright pixels, with a title that is longer than a phone is wide"
MODELS = {
    "bright": stub_model(classes=("spot",), title=LONG_TITLE, version="1.0", fingerprint="f" * 64),
    "halves": stub_model("halves", predict_halves, classes=("left", "right"), num_classes=3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an image of 60 x 40 pixels with a bright block, and a file that is no image."""
    folder = tmp_path_factory.mktemp("page")
    pixels = np.full((40, 60, 3), 40, np.uint8)
    pixels[10:20, 10:30] = (220, 200, 180)
    Image.fromarray(pixels).save(folder / "eye left.png")
    Image.fromarray(pixels[::-1]).save(folder / "second.png")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def home(folder):
    """The address of a page that a server in a thread serves."""
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        app = build_page(MODELS, token=TOKEN, port=port, corrections=folder / "corrections")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(tab, home):
    tab.open(f"{home}/?token={TOKEN}", width=1280, height=900)
    tab.wait_for("document.querySelectorAll('#model option').length === 2")
    yield tab
    assert tab.troubles(home) == []


def add_image(page, *paths):
    page.choose_files("#files", paths)
    page.wait_for("!editor.hidden")


def pixels_now(page, row=1, column=2):
    return int(page.ask(f"document.querySelector('#numbers tr:nth-child({row}) td:nth-child({column})').textContent"))


def point_of(page, x, y):
    """Where a pixel of the image of 60 x 40 is in the window, when it fits the stage."""
    return page.ask(
        f"""(() => {{ const b = canvas.getBoundingClientRect(), s = Math.min(b.width / 60, b.height / 40);
        const left = b.x + (b.width - 60 * s) / 2, top = b.y + (b.height - 40 * s) / 2;
        return [left + ({x} + 0.5) * s, top + ({y} + 0.5) * s]; }})()"""
    )


def use(page, script):
    page.ask(f"(e => e.scrollIntoView({{block: 'center', behavior: 'instant'}}))({script}); 0")
    page.click(script)


def tool(page, name):
    use(page, f"document.querySelector('[name=tool][value={name}]')")
    page.ask("stage.scrollIntoView({block: 'center', behavior: 'instant'}); 0")


def test_an_image_is_shown_with_its_mask_and_numbers(page, folder, home):
    add_image(page, folder / "eye left.png")
    assert pixels_now(page) == 200
    assert page.ask("notes.children.length") == 0
    assert "40, bright 1.0" in page.ask("document.querySelector('h2').textContent")
    assert page.ask("location.href") == f"{home}/"
    assert "not a medical device" in page.ask("notice.textContent")
    shown = """(() => { const dot = document.createElement('canvas');
        const s = Math.min(canvas.width / 60, canvas.height / 40);
        const x = (canvas.width - 60 * s) / 2 + 20.5 * s, y = (canvas.height - 40 * s) / 2 + 15.5 * s;
        const context = dot.getContext('2d', {willReadFrequently: true});
        context.drawImage(canvas, x, y, 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data]; })()"""
    mask = page.ask(shown)
    use(page, "document.querySelector('[value=image]')")
    assert page.ask(shown) == [220, 200, 180, 255]
    assert mask != [220, 200, 180, 255]
    use(page, "document.querySelector('[value=probability]')")
    assert page.ask(shown) not in (mask, [220, 200, 180, 255])


def test_a_correction_is_painted_undone_and_saved(page, folder):
    add_image(page, folder / "eye left.png")
    assert page.ask("save.disabled")
    tool(page, "erase")
    page.drag([point_of(page, x, 15) for x in range(8, 33, 4)])
    erased = pixels_now(page)
    assert erased < 200
    page.press("z", modifiers=2)
    assert pixels_now(page) == 200
    page.press("y", modifiers=2)
    assert pixels_now(page) == erased
    tool(page, "add")
    page.drag([point_of(page, 45, 30), point_of(page, 48, 30)])
    now = pixels_now(page)
    assert now > erased
    use(page, "save")
    page.wait_for("saved.textContent.startsWith('Saved as images/eye left.png')")
    assert page.ask("save.disabled")
    saved = folder / "corrections" / "bright"
    (sample,) = read_folder(saved)
    assert sample.image.read_bytes() == (folder / "eye left.png").read_bytes()
    mask, changed = (read_label(saved / kind / "eye left.png") for kind in ("masks", "changed"))
    assert (mask == 255).sum() == now
    provenance = json.loads((saved / "provenance" / "eye left.json").read_text())
    assert provenance["changed_pixels"] == (changed == 255).sum()
    assert provenance["removed_pixels"] == {"spot": 200 - erased}
    assert provenance["added_pixels"] == {"spot": now - erased}
    assert (provenance["model"], provenance["version"], provenance["fingerprint"]) == ("bright", "1.0", "f" * 64)

    use(page, "undo")
    use(page, "save")
    page.wait_for("save.disabled && saved.textContent.startsWith('Saved')")
    assert len(read_folder(saved)) == 1
    assert len(list((saved / "earlier" / "masks").iterdir())) == 1


def test_the_brush_works_without_a_mouse(page, folder):
    add_image(page, folder / "eye left.png")
    page.ask("canvas.focus()")
    page.press("e")
    for _ in range(2):
        page.press("[")
    assert page.ask("document.querySelector('[name=tool]:checked').value") == "erase"
    assert page.ask("size.value") == "4"
    for key in ["ArrowLeft"] * 10 + ["ArrowUp"] * 5 + [" "]:
        page.press(key)
    assert 200 - 16 <= pixels_now(page) < 200
    page.press("+")
    page.press("0")


def test_several_images_and_a_file_that_is_none(page, folder, home):
    page.choose_files("#files", [folder / name for name in ("eye left.png", "notes.txt", "second.png")])
    page.wait_for(
        "[...document.querySelectorAll('#list small')].map(e => e.textContent).join().match(/ready,failed: .*,ready/)"
    )
    use(page, "document.querySelector('#list li:nth-child(3) button')")
    assert page.ask("document.querySelector('h2').textContent").startswith("second.png")
    use(page, "document.querySelector('#list li:nth-child(2) button')")
    assert page.ask("empty.textContent").startswith("notes.txt: ")
    refusals = [trouble["entry"]["text"] for trouble in page.troubles(home)]
    assert ["415" in text for text in refusals] == [True]
    page.events.clear()


def test_another_model_and_its_notes(page, folder):
    add_image(page, folder / "eye left.png")
    page.ask("model.value = 'halves'; model.dispatchEvent(new Event('change'))")
    page.wait_for("notes.children.length === 1")
    assert [pixels_now(page, row) for row in (1, 2)] == [1200, 1200]
    assert not page.ask("document.getElementById('class-label').hidden")


def are_downloaded(*paths):
    """Whether files are there as a whole: the browser makes an empty one first, and a `.crdownload` beside it."""
    return all(path.exists() and path.stat().st_size for path in paths) and not [*paths[0].parent.glob("*.crdownload")]


def test_what_is_downloaded(page, folder, tmp_path):
    page.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    add_image(page, folder / "eye left.png")
    page.wait_for("measurements.tBodies[0].rows.length")
    for name in ("mask", "overlay", "csv"):
        use(page, f"document.getElementById('{name}')")
    overlay, mask, table = (tmp_path / name for name in ("eye left_overlay.png", "eye left_mask.png", "cenet.csv"))
    wait_until(lambda: are_downloaded(overlay, mask, table))
    assert (read_label(mask) == 255).sum() == 200
    assert read_image(overlay).shape == (40, 60, 3)
    (row,) = read_rows(table.read_text())
    assert (row["image"], row["pixels_spot"], row["corrected_pixels"]) == ("eye left.png", "200", "0")
    assert {row[f"area_px{end}"] for end in ("", "_min_over_thresholds", "_max_over_thresholds")} == {"200"}
    mask.unlink()
    tool(page, "add")
    page.drag([point_of(page, 50, 30), point_of(page, 50, 31)])
    use(page, "mask")
    wait_until(lambda: are_downloaded(mask))
    assert (read_label(mask) == 255).sum() == pixels_now(page)


def test_all_masks_are_downloaded_in_one_file_with_their_names_kept_apart(page, folder, tmp_path):
    page.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    assert page.ask("document.getElementById('all').disabled")
    (tmp_path / "other").mkdir()
    Image.fromarray(read_image(folder / "second.png")).save(tmp_path / "other" / "eye left.tif")
    page.choose_files("#files", [folder / "eye left.png", tmp_path / "other" / "eye left.tif", folder / "notes.txt"])
    page.wait_for("document.querySelectorAll('#list li:nth-child(3) .warn').length === 1")
    use(page, "document.querySelector('#list li:nth-child(1) button')")
    tool(page, "erase")
    page.drag([point_of(page, x, 15) for x in range(8, 33, 4)])
    use(page, "document.getElementById('all')")
    wait_until((tmp_path / "cenet.zip").exists)
    with zipfile.ZipFile(tmp_path / "cenet.zip") as file:
        assert file.testzip() is None
        file.extractall(tmp_path / "all")
    files = {path.name: path for path in (tmp_path / "all").iterdir()}
    stems = ["eye left", "eye left-2"]
    assert set(files) == {f"{stem}_{kind}.png" for stem in stems for kind in ("mask", "overlay")} | {"cenet.csv"}
    counts = [(read_label(files[f"{stem}_mask.png"]) == 255).sum() for stem in stems]
    assert counts == [pixels_now(page), 200]
    rows = read_rows(files["cenet.csv"].read_text())
    assert [row["file"] for row in rows] == [f"{stem}_mask.png" for stem in stems]
    assert [row["image"] for row in rows] == ["eye left.png", "eye left.tif"]
    assert [int(row["pixels_spot"]) for row in rows] == counts
    overlay, image = read_image(files["eye left-2_overlay.png"]), read_image(folder / "second.png")
    assert ((overlay != image).any(axis=2) == (read_label(files["eye left-2_mask.png"]) == 255)).all()
    page.events.clear()


def test_a_corrected_mask_of_a_dicom_image_becomes_a_dicom_segmentation(page, tmp_path):
    page.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    add_image(page, Path(str(get_testdata_file("SC_rgb_jpeg.dcm", download=False))))
    predicted = pixels_now(page)
    tool(page, "erase")
    page.drag([page.ask("(b => [b.x + b.width / 2, b.y + b.height / 2])(canvas.getBoundingClientRect())")] * 2)
    assert pixels_now(page) < predicted
    use(page, "document.getElementById('dicom')")
    wait_until((tmp_path / "SC_rgb_jpeg_seg.dcm").exists)
    segmentation = pydicom.dcmread(tmp_path / "SC_rgb_jpeg_seg.dcm")
    assert segmentation.pixel_array.sum() == pixels_now(page)
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def read_rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_mask_is_measured_and_measured_again_once_it_is_corrected(page, folder):
    add_image(page, folder / "eye left.png")
    table = "[...measurements.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))"
    page.wait_for("measurements.tBodies[0].rows.length")
    assert page.ask(table)[0] == ["area", "200 px", "200 to 200"]
    assert "pixels" in page.ask("measured.textContent")
    tool(page, "erase")
    page.drag([point_of(page, x, 15) for x in range(8, 33, 4)])
    assert page.ask("measured.classList.contains('failed')")
    page.ask("document.getElementById('pixel-size').value = '0.5mm'")
    use(page, "measure")
    now = pixels_now(page)
    page.wait_for(f"{table}[0][1] === '{now} px'")
    assert page.ask(table)[1][:2] == ["area", f"{now / 4:g} mm²"]
    page.ask("document.getElementById('pixel-size').value = 'wide'")
    use(page, "measure")
    page.wait_for("measured.textContent.startsWith('Not measured: pixel_size')")
    page.events.clear()


def test_uncertainty_is_estimated_when_it_is_asked_for(page, folder):
    add_image(page, folder / "eye left.png")
    assert page.ask("document.querySelector('[value=uncertainty]').parentElement.hidden")
    use(page, "estimate")
    page.wait_for("document.querySelector('[value=uncertainty]').checked")
    assert page.ask("estimate.hidden")
    assert not page.ask("document.getElementById('scale').hidden")


def test_a_prediction_that_is_no_longer_kept_is_predicted_again_to_be_measured(page, folder, monkeypatch):
    monkeypatch.setattr(RecentPredictions, "find", forget_once(RecentPredictions.find))
    add_image(page, folder / "eye left.png")
    page.wait_for("measurements.tBodies[0].rows.length")
    page.events.clear()


def forget_once(find):
    requests = []

    def find_later(recent, key):
        requests.append(key)
        return find(recent, key if len(requests) > 1 else "")

    return find_later


def wait_until(is_done):
    end = time.monotonic() + 20
    while not is_done():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_the_page_fits_its_window_and_its_letters_stand_out(page, folder, width, scheme):
    page.set_colour_scheme(scheme)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.tell("Emulation.setDeviceMetricsOverride", **size)
    add_image(page, folder / "eye left.png")
    assert page.ask("document.documentElement.scrollWidth") <= width
    contrast = """(() => {
      const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(c)) return c; } };
      return Math.min(...[...document.querySelectorAll('body *')].filter(e => !e.disabled && [...e.childNodes]
        .some(n => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent).map(e => {
          const a = light(getComputedStyle(e).color), b = light(ground(e));
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
    })()"""
    assert page.ask(contrast) >= 4.5
    nameless = """[...document.querySelectorAll('input, button, select, canvas')].filter(e =>
      !(e.ariaLabel || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"""
    assert page.ask(nameless) == []


def app_of(tmp_path):
    return build_page(MODELS, token=TOKEN, port=1, corrections=tmp_path / "corrections")


def test_the_page_needs_its_token(tmp_path):
    app = app_of(tmp_path)
    for path in ("/", "/?token=wrong"):
        answer = ask(app, "GET", path)
        assert answer.status_code == 401
        assert "not a medical device" in answer.text
    answer = ask(app, "GET", f"/?token={TOKEN}")
    assert answer.status_code == 200
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert ask(app, "GET", "/v1/models").status_code == 401
    assert ask(app, "GET", "/v1/models", headers={"Cookie": f"cenet-token-1={TOKEN}"}).status_code == 200
    assert ask(app, "GET", f"/?token={TOKEN}", headers={"Host": "evil.example"}).status_code == 421
