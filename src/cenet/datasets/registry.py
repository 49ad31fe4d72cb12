"""The tasks that recipes name, each with its kind of data set."""

from cenet.datasets.any_folder import FOLDER, task_of_layout
from cenet.datasets.em_membranes import EM_MEMBRANES
from cenet.datasets.fundus_vessels import CHASE, DRIVE, HRF, VESSELS
from cenet.datasets.layouts.detect import LAYOUTS
from cenet.datasets.lung_ct import LUNG_CT
from cenet.datasets.nnunet import NNUNET
from cenet.datasets.oct_layers import OCT_LAYERS
from cenet.datasets.optic_disc import OPTIC_DISC
from cenet.datasets.spec import DatasetSpec

TASKS: dict[str, DatasetSpec] = {
    "folder": FOLDER,
    "nnunet": NNUNET,
    "drive": DRIVE,
    "chase": CHASE,
    "hrf": HRF,
    "vessels": VESSELS,
    "disc": OPTIC_DISC,
    "lung": LUNG_CT,
    "cells": EM_MEMBRANES,
    "oct": OCT_LAYERS,
    **{layout.name: task_of_layout(layout) for layout in LAYOUTS if layout.name != "nnunet"},
}
