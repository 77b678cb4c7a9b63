"""A person's own neutral face taken as neutral: what a stretch of a clip says too much of is taken off all of it.

Some faces at rest look angry or sad to a model, and do so in every frame. In log-odds such a bias is about constant:
were the model p(k | x) ~ p(x | k) pi_k, a face that shifts the likelihoods by factors exp(b_k) shifts its
log-probabilities by b_k, up to a constant that normalising takes off. So b is measured where the person is known to be
neutral, and subtracted everywhere; a softmax makes rows that sum to 1 again. It is how a classifier is corrected for
other prior probabilities (Saerens, Latinne and Decaestecker 2002, doi:10.1162/089976602753284446), and, on the side
of the output, what person-specific normalisation by the neutral face does on the side of the features (Baltrusaitis,
Mahmoud and Robinson 2015, doi:10.1109/FG.2015.7284869).

Let m_k be the mean of log p_k over the stretch, and r what is expected of a neutral face: 0.8 for neutral, the rest in
equal parts. (Of validation faces that people called neutral the bundled model says 0.82 on average.) Then

    b_k = max((m_k - m_neutral) - (log r_k - log r_neutral), 0)

is the excess of each emotion in the log-odds against neutral, and 0 for neutral itself. An emotion that the stretch
shows less than expected is not raised, for that would turn the noise of tiny probabilities into emotions; and a
stretch that reads as neutral changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.types import Floats
from mien.faces.track import Ids

Wide = npt.NDArray[np.float64]

NEUTRAL = "neutral"
_NEUTRAL_SHARE = 0.8  # that is expected of a neutral face
_LEAST = 1e-6  # probability: what tables can say


@dataclass(frozen=True, eq=False)
class Baseline:
    """What is to be subtracted from the log-probabilities of each face.

    Attributes:
        bias: face id -> (K,) as defined above, of the faces that were seen in the stretch.
    """

    bias: dict[int, Wide] = field(default_factory=dict)

    def subtracted(self, ids: Ids, probabilities: Floats) -> Floats:
        """Probabilities (n, K) without the bias of each face; those of a face that has none stay as they are."""
        corrected = np.array(probabilities, np.float32)
        for row, face in enumerate(ids.tolist()):
            if face in self.bias:
                logs = np.log(np.maximum(probabilities[row].astype(np.float64), _LEAST)) - self.bias[face]
                weights = np.exp(logs - logs.max())
                corrected[row] = weights / weights.sum()
        return corrected


def measured(frames: Iterable[tuple[Ids, Floats]], labels: LabelSet) -> Baseline:
    """The bias of each face over a stretch.

    Args:
        frames: of each frame in the stretch, whose its faces are, (n,), and their probabilities, (n, K).
        labels: names of the K columns.

    Raises:
        UsageError: the model knows no neutral face.
    """
    if NEUTRAL not in labels.labels:
        raise UsageError(
            f"expected a model that knows {NEUTRAL!r}, for the baseline of a neutral face, got one of "
            f"{', '.join(labels)}: leave --baseline out"
        )
    sums: dict[int, Wide] = {}
    counts: dict[int, int] = {}
    for ids, probabilities in frames:
        logs = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
        for face, row in zip(ids.tolist(), logs, strict=True):
            sums[face] = sums.get(face, 0) + row
            counts[face] = counts.get(face, 0) + 1
    return Baseline({face: _bias(total / counts[face], labels) for face, total in sums.items()})


def _bias(mean_log: Wide, labels: LabelSet) -> Wide:
    neutral = labels.index(NEUTRAL)
    expected = np.full(len(labels), (1 - _NEUTRAL_SHARE) / max(len(labels) - 1, 1))
    expected[neutral] = _NEUTRAL_SHARE
    against = mean_log - np.log(expected)
    bias: Wide = np.maximum(against - against[neutral], 0)
    return bias
