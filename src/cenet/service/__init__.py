"""Predictions for other programs and for people without a terminal: `cenet serve` and `cenet app`.

Requests, limits, the queue and the page live here. What a mask is, is decided in `cenet.inference`; how a file is read,
in `cenet.data.io`.
"""

from typing import TYPE_CHECKING

from lazy_loader import attach

if TYPE_CHECKING:
    from cenet.service.application import build_service
    from cenet.service.corrections import CorrectionFolder
    from cenet.service.limits import ServiceLimits
    from cenet.service.served_model import ServedModel, load_served_models
    from cenet.service.uploads import Upload

__all__ = ["CorrectionFolder", "ServedModel", "ServiceLimits", "Upload", "build_service", "load_served_models"]

# Imported when first used: the web framework is an extra.
__getattr__, __dir__, _ = attach(
    __name__,
    submod_attrs={
        "application": ["build_service"],
        "corrections": ["CorrectionFolder"],
        "limits": ["ServiceLimits"],
        "served_model": ["ServedModel", "load_served_models"],
        "uploads": ["Upload"],
    },
)
