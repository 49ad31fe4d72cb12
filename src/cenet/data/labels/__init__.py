"""What the values in label files mean: inspected, declared or detected, then encoded as class indices."""
