"""The plug-in for napari: opens data sets that cenet reads, and segments image layers with its models.

`napari.yaml` beside this file tells napari what there is. Nothing here imports napari: the functions work without it.
"""

from cenet.napari_plugin.read_dataset import get_reader, read_dataset
from cenet.napari_plugin.segment import list_models, segment

__all__ = ["get_reader", "list_models", "read_dataset", "segment"]
