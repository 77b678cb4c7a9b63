"""Which frames of a labelled sequence are taken, and which of them carry its label."""

from dataclasses import dataclass

from mien.core.errors import UsageError

PEAK = 3  # as CK+48 takes them from CK+


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """What to take from each labelled sequence.

    Attributes:
        peak: how many frames at the height of the expression carry its label.
        neutral: how many frames from the start count as neutral.
        clips: all frames carry the label instead, for nets that see a sequence as one.
    """

    peak: int = PEAK
    neutral: int = 0
    clips: bool = False

    @classmethod
    def of(cls, *, peak: int | None, neutral: int | None, clips: bool) -> "FrameChoice":
        """From the options of a reader, None where one is not given.

        Raises:
            UsageError: a number is too small, or the options exclude each other.
        """
        if not isinstance(clips, bool):
            raise UsageError(f"expected clips to be true or false, got {clips!r}")
        if clips and not (peak is None and neutral is None):
            raise UsageError("expected either clips (all frames) or peak and neutral, got both: leave one out")
        choice = cls(PEAK if peak is None else peak, 0 if neutral is None else neutral, clips)
        for name, value, least in (("peak", choice.peak, 1), ("neutral", choice.neutral, 0)):
            if type(value) is not int or value < least:
                raise UsageError(f"expected {name} to be a whole number of {least} or more, got {value!r}")
        return choice

    def of_sequence(self, length: int, *, apex: int | None = None) -> list[tuple[int, bool]]:
        """The frames taken out of `length`: (position, whether it counts as neutral), rising; none twice.

        Args:
            length: how many frames there are.
            apex: position of the height of the expression, which is put in the middle; None: it is at the end.
        """
        if self.clips:
            return [(position, False) for position in range(length)]
        last_start = max(length - self.peak, 0)
        start = last_start if apex is None else min(max(apex - self.peak // 2, 0), last_start)
        at_peak = range(start, min(start + self.peak, length))
        return [(each, True) for each in range(min(self.neutral, start))] + [(each, False) for each in at_peak]

    def rule(self, *, where: str) -> str:
        """In words, for a report; `where` says which frames are the height: ``"at the end of each sequence"``."""
        if self.clips:
            return "all frames carry the label of their sequence"
        neutral = f"; its first {self.neutral} count as neutral" if self.neutral else ""
        return f"{self.peak} frames {where} carry its label{neutral}"
