"""`--plugin` imports what the user names, and says in one sentence what it cannot import."""

import sys

import pytest

from cenet.cli.plugins import load_plugin
from cenet.errors import CenetError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, in which the plugins lie; what they leave behind is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


@pytest.mark.parametrize("name", ["own_plugin", "own_plugin.py"])
def test_a_module_and_a_file_are_imported(folder, name):
    (folder / "own_plugin.py").write_text("value = 7")
    load_plugin(name)
    assert sys.modules["own_plugin"].value == 7


def test_a_file_in_the_current_folder_hides_no_installed_module(folder):
    (folder / "wave.py").write_text("raise RuntimeError('hidden')")
    sys.modules.pop("wave", None)
    load_plugin("wave")
    assert hasattr(sys.modules["wave"], "Wave_read")


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("nowhere", None, "no such module"),
        ("nowhere.py", None, "no such file"),
        ("broken.py", "1 +", "SyntaxError"),
        ("broken.py", "1 / 0", "ZeroDivisionError"),
        ("broken.py", "import nothing_like_it", "nothing_like_it"),
        ("broken", "import nothing_like_it", "nothing_like_it"),
    ],
)
def test_what_cannot_be_imported_is_refused(folder, name, content, word):
    if content is not None:
        (folder / "broken.py").write_text(content)
    with pytest.raises(CenetError) as error:
        load_plugin(name)
    assert error.value.subject == f"--plugin {name}"
    assert word in error.value.cause
