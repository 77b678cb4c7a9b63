"""Writes a video with pictures of our own and the sound of another: MP4, H.264 where FFmpeg has it."""

import contextlib
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from mien.core.errors import InputError
from mien.core.files import partial_path, unwritable
from mien.core.optional import require
from mien.core.types import Image

_TICKS = 90_000  # a second: any usual frame rate is a whole number of them
# In the order of preference. PyAV's wheels carry x264, which is under the GPL; mien itself ships neither.
_CODECS = ("libx264", "libopenh264", "mpeg4")
_QUALITY = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"q": "4"}}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # of sound, by channels
_DELAY_S = 0.1
_BT709, _LIMITED = 1, 1  # how colours are meant, so that every player shows the same ones


class VideoWriter:
    """A video that grows frame by frame; complete or not there at all, as `mien.core.files.replacing` has it.

    The sound is taken over packet by packet, as it is; where MP4 does not hold its codec, it is encoded anew as AAC.
    Frames keep their times, whatever the rate; packets of sound go in beside them, so that memory stays flat.

    Args:
        path: of the file.
        sound_of: a video whose sound it gets, as long before or after the first picture as there; None for no sound.
        partial: where it grows, for who may have to remove it; None: where `mien.core.files.partial_path` says.

    Raises:
        MissingExtraError: PyAV is not installed.
        OutputError: the file cannot be written.
        InputError: the other video cannot be opened. Sound that breaks off is taken over until there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sound_of: str | os.PathLike[str] | None = None,
        partial: Path | None = None,
    ) -> None:
        self._av = require("av", extra="video")
        self.path = Path(path)
        self._partial = partial or partial_path(path)
        self._sound = None if sound_of is None else _Sound(self._av, sound_of)
        self._file: Any = None
        self._stream: Any = None
        self._last = -1  # time of the frame before, in ticks
        self._step = _TICKS // 25  # from it to the one before

    def write(self, image: Image, time_s: float) -> None:
        """Append a frame.

        Args:
            image: RGB uint8 (H, W, 3); all frames are as large as the first.
            time_s: when it is shown; frames come in order.
        """
        even = _even(image)
        with self._guarded():
            if self._file is None:
                self._open(even.shape[1], even.shape[0])
            if self._sound:
                time_s += self._sound.before_s
            ticks = max(round(time_s * _TICKS), self._last + 1)
            self._step = ticks - self._last if self._last >= 0 else self._step
            self._last = ticks
            frame = self._av.VideoFrame.from_numpy_buffer(even, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = ticks, Fraction(1, _TICKS)
            frame.duration = self._step
            self._mux(self._stream.encode(frame))
            if self._sound:
                self._file_sound(time_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._file is not None:
                with self._guarded():
                    self._finish()
        finally:
            self._close()
            self._partial.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> None:
        self._file = self._av.open(str(self._partial), "w", format="mp4", options={"movflags": "+faststart"})
        name = next(each for each in _CODECS if each in self._av.codecs_available)
        stream = self._file.add_stream(name, rate=25, options=_QUALITY.get(name, {}))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, _TICKS)
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        self._stream = stream
        if self._sound:
            self._sound.add_to(self._file)

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._file.mux(packet)

    def _file_sound(self, until_s: float) -> None:
        assert self._sound is not None
        self._mux(self._sound.packets(until_s))

    def _finish(self) -> None:
        self._mux(self._stream.encode(None))
        if self._sound:
            self._file_sound(math.inf)
        self._file.close()
        self._file = None
        os.replace(self._partial, self.path)

    def _close(self) -> None:
        if self._sound:
            self._sound.close()
        if self._file is not None:
            with contextlib.suppress(self._av.FFmpegError):  # it is about to be removed
                self._file.close()
            self._file = None

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (OSError, self._av.FFmpegError) as error:  # most of FFmpeg's errors are no OSError
            raise unwritable(self.path, OSError(getattr(error, "errno", None), str(error))) from error


class _Sound:
    """The sound of a video, handed out in step with pictures."""

    def __init__(self, av: Any, path: str | os.PathLike[str]) -> None:
        self._av, self._path = av, os.fspath(path)
        try:
            self._file = av.open(os.path.abspath(path))
        except (OSError, av.FFmpegError) as error:
            raise InputError(f"expected to read the sound of {self._path}, got: {error}") from error
        pictures = next(iter(self._file.streams.video), None)
        began = pictures.start_time * pictures.time_base if pictures and pictures.start_time else Fraction(0)
        earliest = min(
            (each.start_time * each.time_base for each in self._file.streams.audio if each.start_time is not None),
            default=began,
        )
        # Where there is sound before the first picture, pictures wait for it; a codec's own delay is none.
        self.before_s = float(began - earliest) if began - earliest > _DELAY_S else 0.0
        self._began = Fraction(began) - Fraction(self.before_s)  # in the new file that is second 0
        self._packets = self._file.demux(*self._file.streams.audio) if self._file.streams.audio else iter(())
        self._held: Any = None  # a packet that was read and is not due yet
        self._out: dict[int, Any] = {}  # number of a stream -> the new one
        self._anew: set[int] = set()  # those that are encoded
        self._last: dict[int, int] = {}  # number of a stream -> time of its last packet

    def add_to(self, file: Any) -> None:
        """Give a new file the streams of sound."""
        for stream in self._file.streams.audio:
            if stream.codec_context.name in file.supported_codecs:
                self._out[stream.index] = file.add_stream_from_template(stream)
            else:
                layout = _LAYOUTS.get(stream.layout.nb_channels, "stereo")  # some files do not name theirs
                self._out[stream.index] = file.add_stream("aac", rate=stream.rate, layout=layout)
                self._anew.add(stream.index)

    def packets(self, until_s: float) -> Iterator[Any]:
        """What is due before a time, for the new file; all that is left, if it is infinite."""
        try:
            while (packet := self._held or next(self._packets, None)) is not None:
                self._held = None
                if packet.dts is not None and float(packet.dts * packet.time_base - self._began) > until_s:
                    self._held = packet
                    return
                yield from self._encoded(packet) if packet.stream.index in self._anew else self._taken_over(packet)
            for index in self._anew if until_s == math.inf else ():
                yield from self._out[index].encode(None)
        except self._av.InvalidDataError:  # the file is damaged from here on
            self._packets = iter(())

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _taken_over(self, packet: Any) -> Iterator[Any]:
        if packet.dts is None:  # the end
            return
        index, shift = packet.stream.index, round(self._began / packet.time_base)
        begins = packet.dts - shift
        packet.dts = max(begins, self._last.get(index, begins - 1) + 1)  # recordings of broadcasts jump back at times
        packet.pts = packet.dts if packet.pts is None else max(packet.pts - shift, packet.dts)
        self._last[index] = packet.dts
        packet.stream = self._out[index]
        yield packet

    def _encoded(self, packet: Any) -> Iterator[Any]:
        out = self._out[packet.stream.index]
        for frame in packet.decode():
            if frame.pts is not None:
                frame.pts -= round(self._began / frame.time_base)
            yield from out.encode(frame)


def _even(image: Image) -> Image:
    """The picture with an even width and height, which the codecs ask for: the last column or row twice."""
    height, width = image.shape[:2]
    if width % 2 == height % 2 == 0:
        return np.ascontiguousarray(image)
    larger = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(larger, np.uint8)
