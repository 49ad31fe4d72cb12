"""Batch norm over the batch of all processes, on any device; PyTorch's own, `SyncBatchNorm`, needs a GPU."""

from typing import Any

import torch
from pytorch_lightning.plugins.layer_sync import LayerSync
from torch import Tensor, distributed, nn


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor of all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return _add_up(values)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _add_up(gradients[0])


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of a tensor of all processes, through which gradients flow."""
    total: Tensor = _SumOverProcesses.apply(values)  # type: ignore[no-untyped-call]  # torch does not type it
    return total


def _add_up(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """A batch norm whose mean and variance are those of the images of all processes.

    Shape:
        `(N, C, H, W)` to the same; every process has as many images.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name that `nn.BatchNorm2d` gives it
        if not self.training:
            return super().forward(input)
        axes, values = (0, 2, 3), input.float()
        count = values.numel() // values.shape[1] * distributed.get_world_size()
        mean = sum_over_processes(values.sum(axes)) / count
        centred = values - mean[:, None, None]
        variance = sum_over_processes((centred * centred).sum(axes)) / count
        if self.track_running_stats:
            self._follow(mean.detach(), variance.detach() * (count / max(count - 1, 1)))
        output = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            output = output * self.weight[:, None, None] + self.bias[:, None, None]
        return output.to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as `nn.BatchNorm2d` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class GlobalBatchNorms(LayerSync):
    """Lets the trainer turn the batch norms of a network into `GlobalBatchNorm2d` while it trains, and back."""

    def apply(self, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = GlobalBatchNorm2d  # the same weights and statistics, for all who refer to it
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, GlobalBatchNorm2d):
                module.__class__ = nn.BatchNorm2d  # type: ignore[assignment]  # back to what it was
        return model
