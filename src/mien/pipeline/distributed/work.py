"""The parts of a result, on their way: which are there, and the record of all of them."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mien.core.errors import MienError
from mien.pipeline.distributed.care import forget
from mien.pipeline.distributed.result import Result

RECORD_S = 30.0  # what is written and not recorded is found again, but by a look into each file

Record = dict[str, Any]


@dataclass
class Work:
    """What is done of a result, and what is not.

    Attributes:
        result: where. counts: of the inputs, and of the parts. tell: told of each part that is there.
        records: of these parts, by their numbers.
    """

    result: Result
    counts: Mapping[str, int]
    tell: Callable[[Mapping[str, Any]], None]
    records: dict[int, Record] = field(default_factory=dict)

    def known(self, recorded: Iterable[Mapping[str, Any]]) -> None:
        """Take what is there already: parts that were recorded, and those that were written and not recorded."""
        result, names = self.result, set(self.result.folder.names())
        self.records = {part["part"]: dict(part) for part in recorded if part["file"] in names}
        for number in self.missing():
            if result.part_name(number) in names and (part := result.part(number)):
                self.records[number] = part
        for part in self.records.values():
            self.tell(part)

    def missing(self) -> list[int]:
        """The parts that are not there."""
        return [number for number in range(self.counts["parts"]) if number not in self.records]

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Keep the record of what is done, however the block ends."""
        try:
            yield
        except BaseException:
            self._record(complete=False)
            raise

    def take(self, answers: Iterable[Record]) -> None:
        """Take what actors have done; what is no part's record is none of our business."""
        recorded_s = time.monotonic()
        for answer in answers:
            if "file" not in answer:
                continue
            self.records[answer["part"]] = answer
            self.tell(answer)
            if time.monotonic() - recorded_s > RECORD_S:
                self._record(complete=False)
                recorded_s = time.monotonic()

    def expect_all(self) -> None:
        """Raise MienError where a part is not there."""
        if self.missing():
            raise MienError(
                f"expected {self.counts['parts']} parts in {self.result.folder.where}, got {len(self.records)}: go on "
                "with --resume"
            )

    def finish(self, meta: Mapping[str, str] | None = None) -> None:
        """Remove what only an unfinished result needs, and say that it is complete; see `Result.record` for `meta`."""
        self.expect_all()
        folder = self.result.folder
        folder.sweep()
        folder.remove("_clips")
        forget(folder)
        self._record(complete=True, meta=meta)

    def _record(self, *, complete: bool, meta: Mapping[str, str] | None = None) -> None:
        self.result.record(self.counts, self.records.values(), complete=complete, meta=meta)
