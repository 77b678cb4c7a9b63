"""Temperature scaling, the one definition: what the card's temperature means, and what evaluation fits.

Guo et al. 2017, "On Calibration of Modern Neural Networks", https://proceedings.mlr.press/v70/guo17a.html.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Real = TypeVar("Real", np.float32, np.float64)

_SMALLEST = np.finfo(np.float32).tiny  # below it a float32 probability is no number any more


def apply_temperature(probabilities: npt.NDArray[Real], temperature: float) -> npt.NDArray[Real]:
    """Rows of p^(1/T), to sum 1: (n, K), float32 or float64 as given. Above 1, T takes confidence away, below adds it.

    >>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3)
    array([[0.667, 0.333]])
    """
    powers = logarithms(probabilities) / probabilities.dtype.type(temperature)
    powers = np.exp(powers - powers.max(1, keepdims=True))
    scaled: npt.NDArray[Real] = powers / powers.sum(1, keepdims=True)
    return scaled


def logarithms(probabilities: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """Logarithms of (n, K) probabilities; that of 0 is the one of the smallest float32."""
    found: npt.NDArray[Real] = np.log(np.maximum(probabilities, probabilities.dtype.type(_SMALLEST)))
    return found
