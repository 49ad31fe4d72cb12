"""What a network states of an image's size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cenet.errors import CenetError
from cenet.networks.contract import check_size


@given(st.integers(1, 1500), st.integers(1, 1500), st.sampled_from([(32, 192), (16, 32)]))
def test_a_size_is_valid_or_its_nearest_valid_one_is_named(height: int, width: int, rule: tuple[int, int]) -> None:
    stride, least = rule
    valid = range(least, 3000, stride)
    image = torch.empty(1, 3, height, width, device="meta")
    if height in valid and width in valid:
        check_size(image, stride=stride, min_size=least)
        return
    with pytest.raises(CenetError) as error:
        check_size(image, stride=stride, min_size=least)
    named = [int(side) for side in str(error.value).rpartition(" ")[2].split("x")]
    assert all(side in valid for side in named)
    for side, near in zip((height, width), named, strict=True):
        assert abs(near - side) == min(abs(other - side) for other in valid)
