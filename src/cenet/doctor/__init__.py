"""`cenet doctor`: examine a folder of images before anything is trained on it.

`cenet.doctor.examine` returns a `Diagnosis` and `cenet.doctor.format` makes text of it. Nothing here changes a
file of the user's or imports torch.
"""
