"""From what is measured of a data set and a machine to a recipe: fingerprints, and the rules that read them.

The rules are one pure function; nothing here trains, and what measures images and chooses needs no torch.
"""
