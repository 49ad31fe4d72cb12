import subprocess
import sys

import pytest

from cenet import reporting


@pytest.mark.parametrize("name", reporting.__all__)
def test_every_public_name_is_a_documented_function(name):
    assert getattr(reporting, name).__doc__


def test_what_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError):
        reporting.nothing  # noqa: B018


def test_the_package_imports_no_torch():
    code = "import sys, cenet.reporting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
