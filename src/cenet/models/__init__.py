"""Released models: what `model.json` says of one, which are installed, and the folder that a name stands for.

Nothing here loads a network or imports PyTorch; what a model predicts is the business of `cenet.inference`.
"""
