"""The eight views of an image, and the way back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cenet.data.views import augment_view, undo_view

some_stack = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))


@given(some_stack, st.integers(0, 7))
def test_a_view_can_be_undone(shape, number):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert np.array_equal(undo_view(augment_view(image, number), number), image)
    assert np.array_equal(augment_view(undo_view(image, number), number), image)


@given(some_stack)
def test_the_eight_views_are_the_flips_of_the_image_and_of_its_transpose(shape):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    expected = [
        turned[:, ::up, ::left] for turned in (image, image.swapaxes(1, 2)) for up in (1, -1) for left in (1, -1)
    ]
    views = [(view.shape, view.tobytes()) for view in (augment_view(image, number) for number in range(8))]
    assert set(views) == {(view.shape, view.tobytes()) for view in expected}
    assert views[0] == (image.shape, image.tobytes())


def test_no_two_views_are_alike():
    image = np.array([[0, 1], [2, 3]], np.float32)
    assert len({augment_view(image, number).tobytes() for number in range(8)}) == 8


def test_a_view_is_quarter_turns_after_a_flip():
    image = np.array([[0, 1], [2, 3]], np.float32)
    assert augment_view(image, 1).tolist() == [[1, 3], [0, 2]]
    assert augment_view(image, 4).tolist() == [[1, 0], [3, 2]]
    assert augment_view(image, 5).tolist() == [[0, 2], [1, 3]]
