"""The layer that normalises an image's own values."""

import pytest
import torch

from cenet.errors import CenetError
from cenet.networks.normalise import Normalise, per_channel


def test_normalise_is_the_identity_by_default() -> None:
    image = torch.rand(2, 5, 3, 4) * 255
    assert torch.equal(Normalise(5)(image), image)


def test_normalise_orders_then_subtracts_then_divides() -> None:
    image = torch.tensor([10.0, 20.0, 30.0]).reshape(1, 3, 1, 1).expand(2, 3, 4, 5)
    normalised = Normalise(3, mean=(1, 2, 3), std=(1, 2, 4), order=(2, 0, 1))(image)
    assert normalised.shape == image.shape
    assert normalised[1, :, 3, 4].tolist() == [(30 - 1) / 1, (10 - 2) / 2, (20 - 3) / 4]


def test_the_input_rule_travels_with_the_weights() -> None:
    image = torch.rand(1, 3, 4, 4) * 255
    given_rule, plain = Normalise(3, mean=100.0, std=(1, 2, 3), order=(2, 1, 0)), Normalise(3)
    plain.load_state_dict(given_rule.state_dict())
    assert torch.equal(plain(image), given_rule(image))


def test_the_input_rule_has_nothing_to_train() -> None:
    assert list(Normalise(3, mean=1.0).parameters()) == []


@pytest.mark.parametrize("value", [0.5, [0.5], [0.5, 0.5, 0.5]])
def test_one_number_stands_for_every_channel(value: float | list[float]) -> None:
    assert per_channel(value, 3).tolist() == [[[0.5]]] * 3


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8)])
def test_a_batch_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CenetError, match="3 channels"):
        Normalise(3)(torch.zeros(shape))
