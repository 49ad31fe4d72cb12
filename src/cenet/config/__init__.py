"""What a run is made of, as values: the recipe and the presets that come with the package.

Numbers live here and nowhere else. Nothing here reads an image or imports torch.
"""
