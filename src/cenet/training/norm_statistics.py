"""The statistics of batch norms, estimated anew for the weights as they are ("precise batch norm")."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def find_batch_norms(network: nn.Module, *, but: nn.Module | None = None) -> list[nn.Module]:
    """Return the batch norms of a network that keep running statistics.

    Args:
        network: The network.
        but: One whose statistics are to stay as they are.
    """
    return [
        module
        for module in network.modules()
        if isinstance(module, BATCH_NORMS) and module.track_running_stats and module is not but
    ]


@torch.no_grad()
def estimate_norm_statistics(
    network: nn.Module,
    norms: Iterable[nn.Module],
    batches: Iterable[Tensor],
    *,
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Replace the running statistics of batch norms by the mean of the statistics of some batches.

    In training, running statistics average over weights that have changed meanwhile, and weigh the last few batches
    most. Where images differ much from one another, or the weights are an average that was never run, they fit no image
    well. Statistics that would not be finite are left as they were.

    Args:
        network: The network; it computes as in training, but without dropout.
        norms: Its batch norms to estimate.
        batches: Images (N, C, H, W), as training sees them.
        precision: Makes the context in which the network computes, such as that of mixed precision.

    Reference:
        Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.

    >>> network = nn.Sequential(nn.BatchNorm2d(1))
    >>> estimate_norm_statistics(network, list(network), [torch.full((2, 1, 4, 4), value) for value in (3.0, 5.0)])
    >>> network[0].running_mean.item(), network[0].running_var.item()
    (4.0, 0.0)
    """
    kept_norms = [norm for norm in norms if isinstance(norm, BATCH_NORMS)]
    modes = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in kept_norms]
    earlier = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in kept_norms]
    network.train()  # the whole of it: in prediction a module may pass its batch norm by
    for module in network.modules():
        if isinstance(module, (*BATCH_NORMS, *DROPOUTS)) and module not in kept_norms:
            module.eval()
    for norm in kept_norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    try:
        for images in batches:
            with precision():  # not while images are loaded
                network(images)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for norm, momentum, buffers in zip(kept_norms, momenta, earlier, strict=True):
            norm.momentum = momentum
            is_finite = all(bool(torch.isfinite(buffer).all()) for buffer in norm.buffers())
            is_estimated = norm.num_batches_tracked is not None and bool(norm.num_batches_tracked > 0)
            if not (is_finite and is_estimated):
                norm.load_state_dict(buffers, strict=False)
