"""A lock belongs to one process, and asking for it leaves nothing behind."""

import pytest

from cenet.data.io.locks import file_lock, is_locked
from cenet.errors import CenetError

BUSY = CenetError("runs/eyes", "it is in use", "wait")


def test_a_lock_that_is_held_raises_the_given_error(tmp_path):
    file = tmp_path / "new" / ".lock"
    refused = pytest.raises(CenetError, match="it is in use")
    with file_lock(file, BUSY), refused, file_lock(file, BUSY):
        pass
    with file_lock(file, BUSY):
        pass


def test_asking_whether_a_lock_is_held_makes_no_file(tmp_path):
    file = tmp_path / ".lock"
    assert not is_locked(file)
    assert list(tmp_path.iterdir()) == []
    with file_lock(file, BUSY):
        assert is_locked(file)
    assert not is_locked(file)


def test_a_lock_file_that_points_elsewhere_empties_nothing(tmp_path):
    precious, link = tmp_path / "labels.csv", tmp_path / ".lock"
    precious.write_text("mine")
    link.symlink_to(precious)
    with pytest.raises(CenetError), file_lock(link, BUSY):
        pass
    assert precious.read_text() == "mine"
