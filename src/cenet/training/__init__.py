"""From a recipe and a folder of images to a run folder: loaders, augmentation, the trainer, checkpoints, selection.

The run folder is the only thing that leaves this package; evaluation does not know it.
"""
