"""What a run is worth: protocols, scores, intervals, significance, and the comparison of runs.

Numbers are computed here; tables, plots and pages are made in `cenet.reporting`.
"""
