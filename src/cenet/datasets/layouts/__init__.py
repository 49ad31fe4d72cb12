"""The layouts of files that are recognised: one small file for each family, of folders, tables and annotation tools.

`detect` names the layout of a folder and the evidence for it. What a kind of data means (its groups, classes and
metrics) belongs to the parent package.
"""
