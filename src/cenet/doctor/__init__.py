"""`cenet doctor`: examine a folder of images before anything is trained on it.

`examine` runs the checks and returns a diagnosis. Nothing here changes a file of the user's or imports torch.
"""
