"""Images whose channels have names: what the network gets is chosen by them."""

import shutil

import numpy as np
import pytest
import tifffile

from cenet import InputOptions, load, predict
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.inference.predict import write_predictions
from cenet.inference.run import Run


def write_ome(path, channels, names):
    metadata = {"axes": "CYX", **({"Channel": {"Name": list(names)}} if names else {})}
    separate = {} if names else {"planarconfig": "separate"}
    tifffile.imwrite(path, np.stack(channels), ome=True, photometric="minisblack", metadata=metadata, **separate)
    return path


def draw(folder, names=("DAPI", "Cy5"), count=6):
    """Cells that one channel shows, and another channel without them."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        mask = np.zeros((40, 56), np.uint8)
        mask[rng.integers(5, 25) :, rng.integers(5, 40) :][:12, :14] = 255
        shown = {"DAPI": np.uint16(rng.integers(0, 300, mask.shape) + 4 * mask)}
        shown["Cy5"] = rng.integers(200, 900, mask.shape).astype(np.uint16)
        shown["GFP"] = rng.integers(0, 5000, mask.shape).astype(np.uint16)
        write_ome(folder / "images" / f"cells-{number}.ome.tif", [shown[name] for name in names], names)
        tifffile.imwrite(folder / "masks" / f"cells-{number}.ome.tif", mask)
    return folder


@pytest.fixture(scope="module")
def cells(keep):
    return draw(keep("cells") / "data")


@pytest.fixture(scope="module")
def reordered(keep):
    """The same images, with one channel more and in another order."""
    return draw(keep("reordered") / "data", names=("GFP", "Cy5", "DAPI"))


@pytest.fixture(scope="module")
def trained(cenet, small, cells, keep):
    folder = keep("named") / "run"
    assert cenet("train", "folder", "--data", cells, "--output", folder, *small, "--epochs", 1) == 0
    return folder


def first(data):
    return data / "images" / "cells-0.ome.tif"


def test_a_run_knows_the_names_of_its_channels(trained):
    assert Run(trained).facts.channels == ("DAPI", "Cy5")


def test_channels_are_found_by_their_names(trained, cells, reordered, tmp_path):
    expected = load(trained, device="cpu")(first(cells))
    with pytest.warns(UserWarning, match="the network got DAPI, Cy5"):
        found = load(trained, device="cpu")(first(reordered))
    assert np.array_equal(found.probabilities, expected.probabilities)
    remarks = write_predictions(trained, first(reordered), output=tmp_path, device="cpu", probabilities=True)
    assert any("DAPI, Cy5" in remark for remark in remarks)
    written = tifffile.imread(tmp_path / "cells-0.ome_probability.tif")
    assert np.array_equal(written, expected.probabilities)


def test_channels_of_large_images_too(trained, reordered, tmp_path, monkeypatch):
    write_predictions(trained, first(reordered), output=tmp_path / "at_once", device="cpu", probabilities=True)
    monkeypatch.setenv("CENET_MAX_PIXELS", "1000")
    write_predictions(trained, first(reordered), output=tmp_path / "in_parts", device="cpu", probabilities=True)
    one, other = (
        tifffile.imread(tmp_path / name / "cells-0.ome_probability.tif").squeeze() for name in ("at_once", "in_parts")
    )
    assert (tmp_path / "in_parts" / "cells-0.ome_mask.tif").is_file()
    assert np.array_equal(one, other)


def test_an_evaluation_finds_them_too(trained, cells, reordered, tmp_path):
    reports = [
        evaluate(trained, data=data, part="all", device="cpu", output=tmp_path / str(number))
        for number, data in enumerate((cells, reordered))
    ]
    assert reports[0].classes[0].thresholds == reports[1].classes[0].thresholds
    assert [len(report.notes) for report in reports] == [0, 1]


def test_an_image_without_a_channel_is_refused(trained, tmp_path):
    values = np.random.default_rng(0).integers(0, 900, (2, 40, 56)).astype(np.uint16)
    image = write_ome(tmp_path / "cells.ome.tif", values, ("DAPI", "GFP"))
    with pytest.raises(CenetError) as error:
        write_predictions(trained, image, output=tmp_path / "out", device="cpu")
    assert "Cy5" in error.value.cause
    assert "--channels" in error.value.remedy
    assert not (tmp_path / "out" / "cells.ome_mask.png").exists()


def test_the_user_says_which_channels_by_name_or_number(trained, cells, reordered, tmp_path, cenet, capsys):
    expected = load(trained, device="cpu")(first(cells)).probabilities
    plain = write_ome(tmp_path / "plain.tif", tifffile.imread(first(reordered)), ())
    for image, channels in ((plain, ("3", "2")), (first(reordered), ("DAPI", "Cy5")), (first(reordered), ("3", "Cy5"))):
        found = predict(trained, image, device="cpu", reading=InputOptions(channels=channels))
        assert np.array_equal(found.probabilities, expected)
    options = ("predict", trained, plain, "--output", tmp_path / "out", "--device", "cpu", "--probabilities")
    assert cenet(*options) == 1  # three channels without names
    assert cenet(*options, "--channels", "3,2") == 0
    assert np.array_equal(tifffile.imread(tmp_path / "out" / "plain_probability.tif"), expected)
    capsys.readouterr()
    for channels in ("3,1", "3", "4,1", "3,3", "3,", "nucleus,2"):
        assert cenet(*options, "--channels", channels) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_training_images_with_channels_in_two_orders_are_refused(cenet, small, cells, tmp_path, capsys):
    data = shutil.copytree(cells, tmp_path / "data")
    for number in range(5):
        path = first(data).with_name(f"cells-{number}.ome.tif")
        if number % 2:
            write_ome(path, tifffile.imread(path)[::-1], ("Cy5", "DAPI"))
    assert cenet("train", "folder", "--data", data, "--output", tmp_path / "run", *small) == 1
    assert "another order" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run.json").exists()
