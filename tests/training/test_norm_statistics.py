"""Statistics of batch norms, estimated anew: against the statistics computed by hand."""

import numpy as np
import torch
from torch import nn

from cenet.networks.efficientnet_lite import ConvolutionNorm
from cenet.training.norm_statistics import estimate_norm_statistics, find_batch_norms


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.Dropout(0.5), nn.BatchNorm2d(2))


def batches(count=3):
    return [torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(k)) * (k + 1) + k for k in range(count)]


def test_statistics_are_the_mean_of_those_of_the_batches():
    network, images = build(), batches()
    estimate_norm_statistics(network, find_batch_norms(network), images)
    means = np.mean([batch.numpy().mean((0, 2, 3)) for batch in images], axis=0)
    variances = np.mean([batch.numpy().var((0, 2, 3), ddof=1) for batch in images], axis=0)
    np.testing.assert_allclose(network[0].running_mean, means, rtol=1e-5)
    np.testing.assert_allclose(network[0].running_var, variances, rtol=1e-5)


def test_the_estimate_depends_on_the_weights_and_the_batches_alone():
    estimates = []
    for seed in (1, 2):
        network = build().train()
        torch.manual_seed(seed)
        network(batches(1)[0] * seed)  # other running statistics
        before = torch.get_rng_state()
        estimate_norm_statistics(network, find_batch_norms(network), batches())
        assert torch.equal(before, torch.get_rng_state())  # dropout is still
        assert all(module.training for module in network.modules())
        assert network[0].momentum == 0.1
        estimates.append(network.state_dict())
    torch.testing.assert_close(*estimates, rtol=0, atol=0)


def test_norms_that_are_left_out_and_weights_stay_as_they_are():
    network = build().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    norms = find_batch_norms(network, but=network[0])
    assert norms == [network[3]]
    estimate_norm_statistics(network, norms, batches())
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"3.running_mean", "3.running_var", "3.num_batches_tracked"}
    assert not network.training


def test_statistics_that_would_not_be_finite_are_left_as_they_were():
    for images in ([torch.full((2, 3, 8, 8), torch.nan)], []):
        network = build()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        estimate_norm_statistics(network, find_batch_norms(network), images)
        torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_norms_that_are_folded_into_a_convolution_in_prediction_are_estimated_too():
    torch.manual_seed(0)
    network = nn.Sequential(ConvolutionNorm(3, 4, 3), nn.ReLU(), ConvolutionNorm(4, 2, 3)).eval()
    (batch,) = batches(1)
    estimate_norm_statistics(network, find_batch_norms(network), [batch])
    with torch.no_grad():
        torch.testing.assert_close(network(batch), network.train()(batch), rtol=0.02, atol=0.02)
