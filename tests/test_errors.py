"""The one exception of the package."""

import pickle

import pytest

import cenet
from cenet.errors import CenetError


def test_a_message_arrives_as_it_was_given():
    with pytest.raises(CenetError) as told:
        raise CenetError("eye.png", "the file is empty", "copy it again")
    assert str(told.value) == "eye.png: the file is empty; copy it again"


def test_it_is_no_kind_of_error_that_somebody_catches_by_chance():
    assert CenetError.__mro__ == (CenetError, Exception, BaseException, object)


def test_it_is_public():
    assert cenet.CenetError is CenetError


def test_it_crosses_from_one_process_to_another():
    copy = pickle.loads(pickle.dumps(CenetError("a", "b", "c")))
    assert (type(copy), str(copy)) == (CenetError, "a: b; c")
