"""Several trainings under one command: cross-validation, ablation, seeds, and the demo.

Each is resumable: given again, it skips what is finished. A single training belongs to `cenet.training`.
"""
