"""Whether a network is being written down as a graph, for another program to compute."""

import torch


def is_traced() -> bool:
    """Whether the network is being written down as a graph, as by `torch.onnx.export` or `torch.jit.trace`."""
    return torch.onnx.is_in_onnx_export() or bool(torch.jit.is_tracing())  # type: ignore[no-untyped-call, attr-defined]  # torch's
