"""`cenet doctor` says with its status whether something is wrong."""

import json
import shlex

import pytest


def test_a_sound_folder_is_0_and_its_report_is_written(cenet, images, tmp_path, capsys):
    assert cenet("doctor", images, "--output", tmp_path / "report") == 0
    assert f"report: {tmp_path / 'report'}" in capsys.readouterr().out
    assert len(list((tmp_path / "report").iterdir())) > 1


def test_an_error_in_a_folder_is_1(cenet, draw, tmp_path, capsys):
    draw(tmp_path / "data", count=3)
    broken = tmp_path / "data" / "images" / "eye-1.png"
    broken.write_bytes(broken.read_bytes()[:100])
    assert cenet("doctor", tmp_path / "data") == 1
    assert "eye-1.png" in capsys.readouterr().out


@pytest.mark.parametrize("nested", ["true", "false"])
def test_what_is_said_of_the_classes_counts(cenet, draw, tmp_path, nested):
    draw(tmp_path / "data", count=3, num_classes=3, regions=False)
    output = tmp_path / "report"
    assert cenet("doctor", tmp_path / "data", "--num-classes", 3, "--nested", nested, "--output", output) == 0
    (report,) = output.glob("*.json")
    assert "class 1" in json.dumps(json.loads(report.read_text()))


def find_next_commands(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [shlex.split(line.removeprefix("next: cenet ")) for line in lines if line.startswith("next: ")]


@pytest.mark.parametrize("task", ["vessels", "disc", "lung", "oct"])
def test_each_step_from_drawing_to_training_names_the_next(cenet, tmp_path, capsys, task):
    assert cenet("phantoms", task, tmp_path / "my set", "--count", 5, "--size", 64) == 0
    (command,) = find_next_commands(capsys)
    assert command[:2] == ["doctor", str(tmp_path / "my set")]
    assert cenet(*command) == 0
    (command,) = find_next_commands(capsys)
    options = [] if task == "vessels" else ["--task", task]
    assert command == ["train", "--data", str(tmp_path / "my set"), *options]


def test_no_training_is_suggested_where_there_is_an_error(cenet, draw, tmp_path, capsys):
    images = draw(tmp_path / "data", num_classes=3, regions=False)
    assert cenet("doctor", images, "--num-classes", 1) == 1
    assert find_next_commands(capsys) == []
    assert cenet("doctor", images, "--num-classes", 3, "--nested", "true", "--output", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert f"look at {tmp_path / 'out' / 'contact-sheet.png'}" in printed
    assert printed.endswith(f"next: cenet train --data {images} --num-classes 3 --nested true\n")
