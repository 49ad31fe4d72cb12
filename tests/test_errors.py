"""The one exception of the package."""

import pickle

import cenet
from cenet.errors import CenetError


def test_an_error_keeps_its_parts_and_renders_them_as_one_sentence():
    error = CenetError("eye.png", "the file is empty", "copy it again")
    assert (error.subject, error.cause, error.remedy) == ("eye.png", "the file is empty", "copy it again")
    assert str(error) == "eye.png: the file is empty; copy it again"


def test_the_sentence_is_one_line_that_cannot_control_a_terminal():
    error = CenetError("eye\x1b[2J\udcff.png", "first\nsecond", "copy it")
    assert str(error) == "eye?[2J?.png: first second; copy it"
    assert error.subject == "eye\x1b[2J\udcff.png"


def test_it_is_no_kind_of_error_that_somebody_catches_by_chance():
    assert CenetError.__mro__ == (CenetError, Exception, BaseException, object)


def test_it_is_public():
    assert cenet.CenetError is CenetError


def test_it_crosses_from_one_process_to_another():
    copy = pickle.loads(pickle.dumps(CenetError("a", "b", "c")))
    assert (type(copy), str(copy)) == (CenetError, "a: b; c")
