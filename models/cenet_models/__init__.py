"""Released models of cenet, each in a folder of its name, with its card. Nothing here is code.

`cenet models` lists them; the terms of each are in its MODEL_CARD.md and in LICENSE.
"""
