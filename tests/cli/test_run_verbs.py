"""Options of `cenet predict` that belong together."""

import pytest


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        (("--task", "vessels"), "--task"),
        (("--measure", "--task", "no-such-task"), "task no-such-task"),
        (("--pixel-size", "10um"), "--pixel-size"),
    ],
)
def test_options_of_measurements_need_them(cenet, run, images, tmp_path, options, subject, capsys):
    assert cenet("predict", run, images / "images", "--output", tmp_path / "out", *options) == 1
    assert capsys.readouterr().err.startswith(f"cenet: {subject}")
    assert not (tmp_path / "out").exists()
