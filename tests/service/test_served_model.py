"""Models that are served have a name each."""

import shutil

import pytest

from cenet.errors import CenetError
from cenet.service.served_model import load_served_models


def test_two_models_of_one_name_are_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / run.name, ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    with pytest.raises(CenetError, match="2 models have this name") as caught:
        load_served_models([str(run), str(tmp_path / run.name)], device="cpu")
    assert caught.value.subject == run.name
