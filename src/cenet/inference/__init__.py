"""From a run folder to predictions: the device, the run folder, predictors, ensembles and `cenet predict`.

Sigmoid, softmax, argmax and threshold happen here, and nowhere else. Scores belong to `cenet.evaluation`.
"""
