"""From a table of faces to a run folder: configuration, augmentation, fitting, export."""
