"""The exceptions that mien raises.

A message is one line that says what was expected, what was got, and what to do.

    MienError
    ├── InputError            a source cannot be read: missing, empty, not an image, truncated
    ├── OutputError           a result cannot be written: exists, no permission, disk full, unknown suffix
    ├── UsageError            a name, option or argument is not one of those known
    ├── ModelError            a weight file or card is missing, damaged, or does not fit
    ├── DataError             a data set, table or row is not as expected
    ├── TrainingError         a training cannot start or go on
    ├── WorkerError           a worker process cannot be started, or ended over an input
    │   └── TimeLimitError    an input took a worker process too long
    └── MissingExtraError     an optional package is not installed (also an ImportError)

"No face in the picture" is not an error: it is an empty result.
"""


class MienError(Exception):
    """Base of every error that mien raises on purpose."""

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())  # the names of files may have breaks


class InputError(MienError):
    """A source cannot be read as what it should be."""


class OutputError(MienError):
    """A result cannot be written where it should go."""


class UsageError(MienError):
    """A name, option or argument is not one of those known."""


class ModelError(MienError):
    """A weight file or its card is missing, damaged, or does not fit."""


class DataError(MienError):
    """A data set, table or row of one is not as expected."""


class TrainingError(MienError):
    """A training cannot start or cannot go on."""


class WorkerError(MienError):
    """A worker process cannot be started, or ended over an input."""


class TimeLimitError(WorkerError):
    """An input took a worker process too long."""


class MissingExtraError(MienError, ImportError):
    """A package that belongs to an extra of mien is not installed."""


# What Python and its libraries raise where a value is of another kind, size or depth than a format allows.
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError)


def first_line(error: BaseException) -> str:
    """The first line of what an exception of another package says; its kind if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def one_line(error: BaseException, *, most: int = 300) -> str:
    """What an exception of another package says, in one line of `most` characters; its kind if it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else f"{text[:most]}…"
