"""The models that are shipped, as data: a card and weight files each, in `weights/`."""
