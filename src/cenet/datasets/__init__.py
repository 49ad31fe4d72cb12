"""One file for each kind of data set: how its files are laid out, and how they become samples.

`registry` lists them. What holds for every data set belongs to `cenet.data`. Nothing here imports torch.
"""
