"""The log of the service."""

import logging
import re

import pytest

from cenet.service.monitoring import configure_log, logger


@pytest.fixture(autouse=True)
def log_as_before():
    """What `configure_log` changes for the whole process."""
    parser = logging.getLogger("python_multipart")
    before = logger.handlers[:], logger.level, logger.propagate, parser.level
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    parser.setLevel(before[3])


@pytest.mark.parametrize("quiet", [False, True])
def test_lines_have_the_time_in_utc_and_those_of_requests_are_left_out_where_it_is_quiet(capsys, quiet):
    configure_log(quiet=quiet)
    configure_log(quiet=quiet)  # again: still one line for each
    logger.info("a request")
    logger.warning("a failure")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("Z ")[2] for line in lines] == [*([] if quiet else ["a request"]), "a failure"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)
