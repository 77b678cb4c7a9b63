"""Where in a face a model sees what it says of it: heat maps, by methods that can be checked.

`cam` and `occlusion` need no torch; `gradcam`, `attention` and `randomisation` look into nets of torch, whatever those
are (see `mien.nets.heads.MultiHead`). `explainer` puts the methods behind one face for either.
"""
