"""Released models: what `model.json` says of one, which are installed, and the folder that a name stands for.

Nothing here loads a network or imports PyTorch; prediction belongs to `cenet.inference`.
"""
