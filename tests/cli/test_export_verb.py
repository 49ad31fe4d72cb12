"""`cenet export` says what was compared, what is left to others, and what was written."""

import shutil

import pytest

from cenet.config.recipe import Recipe


def test_what_was_compared_and_written_is_said(cenet, run, images, tmp_path, capsys):
    output = tmp_path / "eyes.onnx"
    assert cenet("export", run, "--output", output, "--calibration", images / "images") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("compared on 3 images (images in images) in onnxruntime ")
    tile_px = Recipe.model_validate_json((run / "recipe.json").read_text()).tile_px
    assert any(line.startswith("not in the graph: ") and f"{tile_px} px" in line for line in lines)
    assert lines[-1].startswith(f"written: {output} (")


@pytest.mark.parametrize("option", ["--data", "--calibration"])
def test_a_folder_that_is_not_there_is_refused_first(cenet, run, tmp_path, option, capsys):
    assert cenet("export", run, "--output", tmp_path / "eyes.onnx", option, tmp_path / "gone") == 1
    assert capsys.readouterr().err.startswith(f"cenet: {tmp_path / 'gone'}: ")


def test_a_cross_validation_is_exported_fold_by_fold(cenet, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "folds" / "0", ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    (tmp_path / "folds" / "ensemble.json").write_text('{"members": ["0"]}')
    assert cenet("export", tmp_path / "folds", "--output", tmp_path / "eyes.onnx") == 1
    assert "name one of its folds" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(cenet, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cenet.exporting.export.find_spec", lambda name: None if name == "nncf" else name)
    assert cenet("export", run, "--output", tmp_path / "eyes.xml", "--precision", "int8") == 1
    assert capsys.readouterr().err.endswith("needs nncf, which is not installed; pip install 'cenet[export]'\n")
