"""From files on disk to arrays: reading, label encodings, samples, splits, preprocessing and the field of view.

What a particular data set looks like belongs to `cenet.datasets`; augmentation belongs to `cenet.training`.
Nothing here imports torch.
"""
