"""`mien live`: a window that shows a camera, the faces in it and what they express, as they are."""

import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.camera import Camera, Shot
from mien.core.errors import MissingExtraError, OutputError, UsageError
from mien.core.types import Faces, Image
from mien.faces import DETECTORS
from mien.pipeline.face_heat import FaceExplainer
from mien.pipeline.live import LiveFrame, LiveRecognizer, live_rows
from mien.pipeline.predict_table import Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import clip_columns
from mien.pipeline.sinks import Sink, check_target
from mien.pipeline.steady import SteadyAnnotator
from mien.runtime.session import check_options
from mien.window.window import QUIT, Window

KEYS = "H heat map   D detector   R record   Q quit"
_WAIT_S = 0.05  # for a picture, before keys are looked at again
_RATE_OVER = 30  # frames that the rate and the latency are told of
_NOTICE_S = 4.0  # how long a line of ours stands over the picture


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """What decides what is seen.

    Attributes:
        camera: a number, an address of a stream, or a video file, see `mien.core.camera.Camera`.
        model, head, detector, min_face, device, threads, abstain: as for photographs, see `PredictConfig`.
        smooth: how emotions are made steady over time: exponential, bayesian, or none.
        out: table to record into from the beginning. The key R begins ``live-<date>-<time>.csv`` whenever none grows.
        seconds: stop after so many.
        overwrite: replace `out`.
    """

    camera: int | str = 0
    model: str | os.PathLike[str] = "mien-s"
    head: str | None = None
    detector: str = "mtcnn"
    min_face: int = 60
    device: str = "auto"
    threads: int | None = None
    abstain: float | None = None
    smooth: str = "exponential"
    out: str | os.PathLike[str] | None = None
    seconds: float | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_options(threads=self.threads, device=self.device)
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"expected seconds above 0, got {self.seconds:g}")


@dataclass(frozen=True)
class LiveResult:
    """How it went.

    Attributes:
        frames: shown. faces: seen in them, each frame anew.
        fps: frames a second. latency_ms: median from the moment a picture was taken until it was shown.
        recordings: the tables written.
    """

    frames: int
    faces: int
    fps: float
    latency_ms: float
    latency_p95_ms: float
    recordings: tuple[Path, ...]


def live(
    config: LiveConfig | None = None, *, tell: Callable[[str], None] = lambda line: None, **changes: Any
) -> LiveResult:
    """Open a window with a camera's picture, boxes, emotions and their probabilities, until it is closed.

    Keys: H heat map of what the model looks at, D the next detector, R begin or end a recording, Q or Escape quit.

    Args:
        config: the settings; the defaults if None.
        tell: called with a line when the camera is lost or back, and when a recording is written or cannot be begun.
        **changes: fields of `LiveConfig` to set, such as ``camera=1``.

    Raises:
        InputError: the camera is not there or gives no picture.
        UsageError: an option is not known, or there is no screen.
        OutputError: a recording cannot be written on, or `out` not at all.
        MissingExtraError: the extra `live` is not installed.
    """
    config = replace(config or LiveConfig(), **changes)
    if config.out is not None:
        check_target(config.out, overwrite=config.overwrite)
    show = _Show(config, tell)
    try:
        return show.run()
    finally:
        show.close()


@dataclass
class _State:
    """What keys change, and what the line below the picture says."""

    detector: str
    heat: bool = False
    message: str = ""  # of the camera: "" while it gives pictures
    notice: str = ""  # of a recording that could not be begun
    notice_until_s: float = 0.0
    shown_s: list[float] = field(default_factory=list)  # the last frames
    latencies: list[float] = field(default_factory=list)
    frames: int = 0
    faces: int = 0


class _Show:
    """Camera, recogniser, window and recording of one run."""

    def __init__(self, config: LiveConfig, tell: Callable[[str], None]) -> None:
        self._config, self._tell = config, tell
        self._state = _State(config.detector)
        self._recognizers: dict[str, Recognizer] = {}
        smooth = None if config.smooth == "none" else config.smooth
        self._live = LiveRecognizer(self._recognizer(config.detector), smooth=smooth)
        self._annotator = SteadyAnnotator()
        self._explain: Callable[[Image, Faces], Image] | None = None
        self._recorder: Sink | None = None
        self._recordings: list[Path] = []
        self._camera = Camera(config.camera, tell=self._of_camera)
        self._window: Window | None = None
        self._last: Image | None = None
        self._began = 0.0

    def run(self) -> LiveResult:
        """Until the window is closed, the file is over, or time is up."""
        index, self._began = -1, time.monotonic()
        while not self._time_is_up():
            shot = self._camera.newest(after=index, timeout_s=_WAIT_S)
            if shot is not None:
                index = shot.index
                self._step(self._window or self._open(shot.image), shot)
            elif self._camera.ended:
                break
            elif self._last is not None and self._window is not None:
                self._show(self._window, self._last)
            if self._window is not None and not self._obey(self._window.keys()):
                break
        return self._result()

    def close(self) -> None:
        """Give everything back; a recording is kept."""
        try:
            self._stop_recording()
        finally:
            self._camera.close()
            if self._window is not None:
                self._window.close()

    def _time_is_up(self) -> bool:
        return self._config.seconds is not None and time.monotonic() - self._began >= self._config.seconds

    def _step(self, window: Window, shot: Shot) -> None:
        self._state.message = ""
        frame = self._live.step(shot.image, shot.time_s)
        rows = live_rows(
            frame, shot.image, source=str(self._config.camera), index=shot.index, abstain=self._config.abstain
        )
        if self._recorder:
            self._write(self._recorder, rows)
        image = self._drawn(shot.image, frame, [row["label"] for row in rows])
        self._state.frames += 1
        self._state.faces += len(frame.faces)
        self._show(window, image, taken_s=shot.taken_s)

    def _open(self, image: Image) -> Window:
        """The window, and only then the recording: where there is no screen, no file is left behind."""
        self._window = Window(f"mien: {self._config.camera}", (image.shape[1], image.shape[0]))
        if self._config.out is not None:
            self._record(Path(self._config.out), overwrite=self._config.overwrite)
        return self._window

    def _drawn(self, image: Image, frame: LiveFrame, labels: Sequence[str | None]) -> Image:
        if self._state.heat and len(frame.faces):
            if self._explain is None:
                recognizer = self._live.recognizer
                self._explain = FaceExplainer(recognizer, self._config.model).lay_over
            image = self._explain(image, frame.faces.faces)
        return self._annotator.draw(image, frame.faces, frame.face_ids, time_s=frame.time_s, labels=labels)

    def _show(self, window: Window, image: Image, *, taken_s: float | None = None) -> None:
        self._last = image
        status, message = self._status(), self._state.message
        if not message and time.monotonic() < self._state.notice_until_s:
            message = self._state.notice
        recording = self._recorder is not None
        window.show(image, status=status, keys=KEYS, message=message, recording=recording)
        if taken_s is not None:
            now = time.monotonic()
            self._state.shown_s = [*self._state.shown_s, now][-_RATE_OVER:]
            self._state.latencies.append(1000 * (now - taken_s))

    def _status(self) -> str:
        shown, latencies = self._state.shown_s, self._state.latencies[-_RATE_OVER:]
        parts = []
        if len(shown) > 1:
            parts = [
                f"{(len(shown) - 1) / (shown[-1] - shown[0]):.0f} frames/s",
                f"{statistics.median(latencies):.0f} ms",
            ]
        parts.append(self._state.detector)
        if self._recorder:
            parts.append(f"recording {self._recorder.path.name}")
        return "   ".join(parts)

    def _obey(self, keys: Sequence[str]) -> bool:
        """Do what the keys ask for; False: quit."""
        for key in keys:
            if key in (QUIT, "q", "escape"):
                return False
            if key == "h":
                self._state.heat = not self._state.heat
            elif key == "d":
                self._next_detector()
            elif key == "r":
                if self._recorder:
                    self._stop_recording()
                else:
                    self._record_anew()
        return True

    def _next_detector(self) -> None:
        """The next one that is installed."""
        names = list(DETECTORS)
        at = names.index(self._state.detector) if self._state.detector in names else -1
        for name in (*names[at + 1 :], *names[: at + 1]):
            try:
                self._use(name)
            except MissingExtraError as error:
                self._tell(str(error))
                continue
            return

    def _use(self, detector: str) -> None:
        """Go on with another detector; faces keep their numbers."""
        self._live.recognizer = self._recognizer(detector)
        self._explain = None  # maps lie where this one's faces are cut out
        self._state.detector = detector

    def _recognizer(self, detector: str) -> Recognizer:
        """One a detector, which share the model."""
        config = self._config
        if detector not in self._recognizers:
            model = next((each.classifier for each in self._recognizers.values()), config.model)
            self._recognizers[detector] = Recognizer(
                model,
                detector=detector,
                head=config.head,
                min_face=config.min_face,
                device=config.device,
                threads=config.threads,
            )
        return self._recognizers[detector]

    def _record(self, path: Path, *, overwrite: bool) -> None:
        self._recorder = Sink(path, clip_columns(self._live.recognizer.label_set), overwrite=overwrite, keep=True)

    def _record_anew(self) -> None:
        """Under a name that is free; where nothing can be written the window says so and goes on."""
        try:
            self._record(_free_name(), overwrite=False)
        except OutputError as error:
            self._state.notice, self._state.notice_until_s = str(error), time.monotonic() + _NOTICE_S
            self._tell(str(error))

    def _write(self, recorder: Sink, rows: Sequence[Row]) -> None:
        try:
            recorder.write(rows)
        except OutputError:
            self._recorder = None  # it is closed, and the error says what became of it
            raise

    def _stop_recording(self) -> None:
        if self._recorder:
            recorder, self._recorder = self._recorder, None
            recorder.close()
            self._recordings.append(recorder.path)
            self._tell(f"wrote {recorder.path}")

    def _of_camera(self, line: str) -> None:
        """From the camera's thread."""
        self._state.message = line
        self._tell(line)

    def _result(self) -> LiveResult:
        self._stop_recording()
        state, spent = self._state, time.monotonic() - self._began
        median, p95 = np.percentile(state.latencies or [math.nan], (50, 95)).tolist()
        return LiveResult(state.frames, state.faces, state.frames / spent, median, p95, tuple(self._recordings))


def _free_name() -> Path:
    """The time, and a number where several recordings begin within a second."""
    stem = time.strftime("live-%Y%m%d-%H%M%S")
    names = itertools.chain([f"{stem}.csv"], (f"{stem}-{k}.csv" for k in itertools.count(2)))
    return Path(next(name for name in names if not os.path.lexists(name)))
