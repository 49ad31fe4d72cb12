"""Values turned into what people look at: tables, plots, and the page of `cenet report`.

Nothing is scored here.
"""
