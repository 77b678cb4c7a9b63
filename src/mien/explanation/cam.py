"""Heat maps from a feature map alone, such as the one that an exported model carries. No torch."""

import numpy as np

from mien.core.types import Floats


def class_activation(features: Floats, weights: Floats) -> Floats:
    """Class activation map: the feature map weighted with what each channel counts for a class.

    M = sum_f w_f A_f (Zhou et al. 2016, doi:10.1109/CVPR.2016.319). Where the class is a linear head's on the mean of
    the map, this is Grad-CAM (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74) up to a factor, whose weights, the mean
    gradients of the class's logit, are then w_f / (h w).

    Args:
        features: (n, F, h, w).
        weights: (n, F), of the class that each map is for.

    Returns:
        (n, h, w) float32, in parts of a logit; negative where the class is spoken against.
    """
    found: Floats = np.einsum("nfhw,nf->nhw", features, weights).astype(np.float32)
    return found


def eigen_activation(features: Floats) -> Floats:
    """Eigen-CAM: each place's share in the first principal component of the map (Muhammad and Yeasin 2020).

    M = A v_1, A the places by channels, v_1 its first right singular vector, not centred as in the paper
    (doi:10.1109/IJCNN48605.2020.9206626). It knows no class. A singular vector has no sign: the one taken is that by
    which the places are positive in sum, of a map without negative values all of them.

    Args:
        features: (n, F, h, w).

    Returns:
        (n, h, w) float32.
    """
    n, channels, height, width = features.shape
    places = features.reshape(n, channels, height * width).transpose(0, 2, 1).astype(np.float64)
    found = np.empty((n, height * width))
    for out, each in zip(found, places, strict=True):
        # Whichever of the two squares is smaller has the same first vector, and is quicker than the whole.
        if height * width <= channels:
            values, vectors = np.linalg.eigh(each @ each.T)
            out[:] = vectors[:, -1] * np.sqrt(max(values[-1], 0))  # A v = s u
        else:
            out[:] = each @ np.linalg.eigh(each.T @ each)[1][:, -1]
    found *= np.where(found.sum(1, keepdims=True) < 0, -1, 1)
    return found.reshape(n, height, width).astype(np.float32)
