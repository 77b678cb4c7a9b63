"""Clips of a few seconds, made by ffmpeg from the bundled photographs, and where in each frame which face is.

Heads are cut out of the photographs and moved over a plain background, so that what a detector and a tracker should
find is known: `Clip.boxes`. Each function below writes one clip; `FORMS` lists those that a player opens, `DAMAGED`
those that are broken on purpose.
"""

import functools
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mien import sample
from mien.core.images import read_image

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
Place = tuple[float, float, float]  # centre x, centre y, height of the face in pixels

FPS = 25
SIZE = (480, 360)  # width, height

# Faces in the photographs, as MTCNN finds them.
_FACES: Mapping[str, Box] = {
    "astronaut": (180.3, 59.2, 267.5, 173.6),
    "grace_hopper": (178.2, 113.3, 359.1, 343.3),
}
_AROUND = 0.45  # of the face's height, how much of the photograph is cut out around it


@dataclass(frozen=True)
class Clip:
    """A file and what is in it.

    Attributes:
        path: of the file. times: when each of its frames is shown, in seconds. size: width and height, upright.
        boxes: of each frame, face -> its box in MTCNN's convention; faces under a cover are listed too.
        visible: of each frame, face -> the share of its box that nothing covers.
    """

    path: Path
    times: tuple[float, ...]
    size: tuple[int, int]
    boxes: tuple[Mapping[str, Box], ...]
    visible: tuple[Mapping[str, float], ...]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Actor:
    """A head that moves.

    Attributes:
        person: whose; several of one scene may be of one person.
        at: time in seconds -> where the face is; None where it is not in the picture.
        name: of the face in `Clip.boxes`; the person if empty.
    """

    person: str
    at: Callable[[float], Place | None]
    name: str = ""


@dataclass(frozen=True)
class Scene:
    """What a clip shows: heads, the later ones before the earlier ones, and grey boards before all of them.

    Attributes:
        cover: time in seconds -> the board, if there is one.
    """

    actors: Sequence[Actor] = ()
    cover: Callable[[float], Box | None] = field(default=lambda _: None)
    size: tuple[int, int] = SIZE

    def boxes(self, t: float) -> dict[str, Box]:
        """Face -> box."""
        places = {actor.name or actor.person: (actor.person, actor.at(t)) for actor in self.actors}
        return {name: _box(person, place) for name, (person, place) in places.items() if place is not None}

    def visible(self, t: float) -> dict[str, float]:
        """Face -> the share of its box that no head before it and no board covers."""
        boxes = self.boxes(t)
        names, cover = list(boxes), self.cover(t)
        before = {name: [boxes[other] for other in names[i + 1 :]] for i, name in enumerate(names)}
        return {
            name: 1
            - max((_overlap(boxes[name], over) for over in [*before[name], *([cover] if cover else [])]), default=0)
            for name in names
        }

    def draw(self, t: float) -> Image:
        """The picture at a time: RGB uint8."""
        image = _background(self.size).copy()
        for actor in self.actors:
            if (place := actor.at(t)) is not None:
                _paste(image, actor.person, place)
        if (cover := self.cover(t)) is not None:
            x1, y1, x2, y2 = (round(value) for value in cover)
            image[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = 90
        return image


def motion(path: Path, *, seconds: float = 3, size: tuple[int, int] = SIZE, fps: float = FPS) -> Clip:
    """One face that sways from side to side."""
    return write(path, Scene([_swaying("astronaut", size, height=110)], size=size), seconds=seconds, fps=fps)


def scale(path: Path, *, seconds: float = 3) -> Clip:
    """One face that comes closer: from 50 pixels to 190."""
    return write(path, Scene([Actor("grace_hopper", lambda t: (240, 180, 50 + 140 * t / seconds))]), seconds=seconds)


def occlusion(path: Path, *, seconds: float = 3) -> Clip:
    """One face that sways and is covered by a board from 1.2 s to 1.7 s."""
    actor = _swaying("grace_hopper", SIZE, height=120)

    def cover(t: float) -> Box | None:
        x, y, height = actor.at(t) or (0, 0, 0)
        return (x - height, y - height, x + height, y + height) if 1.2 <= t < 1.7 else None

    return write(path, Scene([actor], cover), seconds=seconds)


def crossing(path: Path, *, seconds: float = 3) -> Clip:
    """Two faces that walk past each other, the one that goes left before the other."""
    width = SIZE[0]

    def at(start: float, end: float, y: float) -> Callable[[float], Place]:
        return lambda t: (start + (end - start) * t / seconds, y, 110)

    scene = Scene(
        [Actor("astronaut", at(80, width - 80, 170)), Actor("grace_hopper", at(width - 80, 80, 195))],
    )
    return write(path, scene, seconds=seconds)


def cut(path: Path, *, seconds: float = 3) -> Clip:
    """A face on the left, and from half time on another one on the right."""
    half = seconds / 2
    scene = Scene(
        [
            Actor("astronaut", lambda t: (140 + 10 * np.sin(3 * t), 170, 110) if t < half else None),
            Actor("grace_hopper", lambda t: (340 + 10 * np.sin(3 * t), 190, 130) if t >= half else None),
        ]
    )
    return write(path, scene, seconds=seconds)


def leaving(path: Path, *, seconds: float = 3) -> Clip:
    """A face that comes into the picture from the left at 0.6 s and is gone for good at 2.2 s."""
    scene = Scene([Actor("astronaut", lambda t: (240 + 30 * np.sin(2 * t), 180, 110) if 0.6 <= t < 2.2 else None)])
    return write(path, scene, seconds=seconds)


def nobody(path: Path, *, seconds: float = 1) -> Clip:
    """A clip without a face."""
    return write(path, Scene(), seconds=seconds)


def one_frame(path: Path) -> Clip:
    """A clip of a single frame."""
    return motion(path, seconds=1 / FPS)


def people(path: Path, count: int, *, seconds: float = 3, size: tuple[int, int] = SIZE, fps: float = FPS) -> Clip:
    """Faces side by side, each swaying on its own; it ends as it began, so that it can be repeated."""
    lane = size[0] / count
    height = min(size[1] / 3, lane / 1.7)
    actors = [
        Actor(
            list(_FACES)[k % 2],
            functools.partial(
                _sway, x=lane * (k + 0.5), y=size[1] / 2, height=height, reach=lane / 8, turn=2 * k, period=seconds
            ),
            name=f"{list(_FACES)[k % 2]} {k}",
        )
        for k in range(count)
    ]
    return write(path, Scene(actors, size=size), seconds=seconds, fps=fps)


def rotated(path: Path, *, degrees: int = 90, seconds: float = 1) -> Clip:
    """`motion` as a telephone held upright stores it: lying frames, and a flag to turn them clockwise by so much."""
    size = SIZE if degrees == 180 else (SIZE[1], SIZE[0])
    back = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}[degrees]
    scene = Scene([_swaying("astronaut", size, height=110)], size=size)
    clip = write(path, scene, seconds=seconds, change=lambda image: cv2.rotate(image, back))  # type: ignore[arg-type,return-value]
    data = bytearray(path.read_bytes())
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    turn = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 44  # the matrix of the track's header, ISO/IEC 14496-12
    data[start : start + len(turn)] = turn
    path.write_bytes(data)
    return clip


def variable_rate(path: Path, *, seconds: float = 3) -> Clip:
    """One second at 30 frames a second, the rest at 10, as screen recorders and telephones do."""
    times = [k / 30 for k in range(30)] + [1 + k / 10 for k in range(round((seconds - 1) * 10))]
    return write(path, Scene([_swaying("astronaut", SIZE, height=110)]), times=times)


def with_sound(path: Path, *, seconds: float = 3) -> Clip:
    """`motion` with a tone of 440 Hz."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    scene = Scene([_swaying("astronaut", SIZE, height=110)])
    return write(path, scene, seconds=seconds, more=tone, encode=["-c:a", "aac", "-b:a", "48k"])


def animated(path: Path, *, seconds: float = 1, fps: float = 10) -> Clip:
    """`motion` as an animated picture: .gif or .webp by the path's suffix."""
    encode = ["-c:v", "libwebp_anim", "-loop", "0"] if path.suffix == ".webp" else ["-loop", "0"]
    size = (320, 240)
    scene = Scene([_swaying("astronaut", size, height=110)], size=size)
    return write(path, scene, seconds=seconds, fps=fps, codec=encode)


def still(path: Path) -> Clip:
    """A GIF or WebP of one picture."""
    return animated(path, seconds=0.1)


def ending_early(path: Path, *, keep: float = 0.6) -> Clip:
    """A clip whose file ends early, but holds its index at the beginning: the frames until there can be read."""
    clip = motion(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return clip


def without_index(path: Path) -> Path:
    """A recording that was broken off before its index was written: nothing of it can be read."""
    clip = write(path, Scene([_swaying("astronaut", SIZE, height=110)]), seconds=1, index_first=False)
    data = clip.path.read_bytes()
    path.write_bytes(data[: int(0.9 * data.index(b"moov"))])
    return path


def unknown_codec(path: Path) -> Path:
    """A whole file whose pictures are in a codec that nobody has."""
    data = motion(path, seconds=1).path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"zzzz"))
    return path


def only_sound(path: Path) -> Path:
    """A file without pictures."""
    _ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-c:a", "aac", str(path))
    return path


def text(path: Path) -> Path:
    """A letter under the name of a clip."""
    path.write_text("Dear reader, this is no clip.\n" * 20)
    return path


def empty(path: Path) -> Path:
    """No bytes at all."""
    path.write_bytes(b"")
    return path


# name -> what writes it, under a path that ends in .mp4
FORMS: Mapping[str, Callable[[Path], Clip]] = {
    function.__name__: function
    for function in (
        motion,
        scale,
        occlusion,
        crossing,
        cut,
        leaving,
        nobody,
        one_frame,
        rotated,
        variable_rate,
        with_sound,
        ending_early,
    )
}
DAMAGED: Mapping[str, Callable[[Path], Path]] = {
    function.__name__: function for function in (without_index, unknown_codec, only_sound, text, empty)
}


class Shelf:
    """Clips that are made when they are first asked for: ``shelf["crossing"]``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Clip] = {}

    def __getitem__(self, name: str) -> Clip:
        if name not in self._made:
            self._made[name] = FORMS[name](self.folder / f"{name}.mp4")
        return self._made[name]


def write(
    path: Path,
    scene: Scene,
    *,
    seconds: float = 0,
    fps: float = FPS,
    times: Sequence[float] | None = None,
    change: Callable[[Image], Image] = lambda image: image,
    more: Sequence[str] = (),
    encode: Sequence[str] = (),
    codec: Sequence[str] | None = None,
    index_first: bool = True,
) -> Clip:
    """Film a scene.

    Args:
        path: the file; its suffix says the container.
        scene: what to film.
        seconds: how long, at `fps` frames a second.
        fps: frames a second.
        times: instead of the two, when each frame is shown; multiples of a 90th of a millisecond.
        change: what is done to each picture before it is encoded.
        more: a second input of ffmpeg. encode: how it is encoded.
        codec: of the pictures; H.264 if None.
        index_first: whether the file's index stands before its frames.
    """
    shown = list(times) if times is not None else [k / fps for k in range(round(seconds * fps))]
    first = change(scene.draw(0))
    height, width = first.shape[:2]
    clock: list[str] = []
    if times is not None:  # frame N is shown when an expression of N says so
        ticks = "+".join(f"eq(N,{k})*{round(t * 90000)}" for k, t in enumerate(shown))
        clock = ["-vf", f"settb=1/90000,setpts='{ticks}'", "-vsync", "passthrough", "-enc_time_base", "1/90000"]
        clock += ["-video_track_timescale", "90000"]
    if codec is None:
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "1"]
        codec += ["-movflags", "+faststart"] if index_first and path.suffix in (".mp4", ".mov") else []
    _ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"),
        *more,
        *clock,
        *codec,
        *encode,
        str(path),
        pictures=(change(scene.draw(t)) for t in shown),
    )
    return Clip(
        path,
        tuple(shown),
        scene.size,
        tuple(scene.boxes(t) for t in shown),
        tuple(scene.visible(t) for t in shown),
    )


def _swaying(person: str, size: tuple[int, int], *, height: float) -> Actor:
    width, tall = size
    return Actor(person, functools.partial(_sway, x=width / 2, y=tall / 2, height=height, reach=width / 5))


def _sway(t: float, *, x: float, y: float, height: float, reach: float, turn: float = 0, period: float = 3) -> Place:
    angle = 2 * np.pi * t / period
    return x + reach * np.sin(angle + turn), y + 0.15 * height * np.sin(2 * angle + turn), height


def _box(person: str, place: Place) -> Box:
    x, y, height = place
    x1, y1, x2, y2 = _FACES[person]
    half = height * (x2 - x1) / (y2 - y1) / 2
    return x - half, y - height / 2, x + half, y + height / 2


def _overlap(box: Box, over: Box) -> float:
    """The share of a box that another one covers."""
    width = min(box[2], over[2]) - max(box[0], over[0])
    height = min(box[3], over[3]) - max(box[1], over[1])
    return max(width, 0) * max(height, 0) / ((box[2] - box[0]) * (box[3] - box[1]))


@functools.cache
def _background(size: tuple[int, int]) -> Image:
    """Soft light, a little uneven."""
    width, height = size
    noise = np.random.default_rng(3).normal(0, 1, (9, 12, 3)).astype(np.float32)
    soft = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    slope = np.linspace(20, -20, height, dtype=np.float32)[:, None, None]
    return np.clip(130 + 12 * soft + slope, 0, 255).astype(np.uint8)


@functools.cache
def _head(person: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A head cut out: RGB, and how opaque it is, 1 within an ellipse and falling to 0 at its edge."""
    x1, y1, x2, y2 = _FACES[person]
    tall = y2 - y1
    half = tall * (0.5 + _AROUND)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    photograph = read_image(sample(person)).astype(np.float32)
    side = round(2 * half)
    head = cv2.getRectSubPix(photograph, (side, side), (x, y))
    down, across = (np.indices((side, side)) - (side - 1) / 2) / (side / 2)
    distance = np.hypot(across / 0.85, down)
    return head, np.clip((1 - distance) / 0.15, 0, 1).astype(np.float32)


def _paste(image: Image, person: str, place: Place) -> None:
    x, y, height = place
    head, opaque = _head(person)
    side = max(round(height * (1 + 2 * _AROUND)), 2)
    left, top = x - side / 2, y - side / 2
    shift = np.float32([[1, 0, left - np.floor(left)], [0, 1, top - np.floor(top)]])
    small, mask = (
        cv2.warpAffine(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), shift, (side + 1, side + 1))
        for part in (head, opaque)
    )
    x0, y0 = int(np.floor(left)), int(np.floor(top))
    tall, wide = image.shape[:2]
    rows, columns = slice(max(y0, 0), min(y0 + side + 1, tall)), slice(max(x0, 0), min(x0 + side + 1, wide))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    here = slice(rows.start - y0, rows.stop - y0), slice(columns.start - x0, columns.stop - x0)
    weight = mask[here][:, :, None]
    under = image[rows, columns]
    image[rows, columns] = np.rint(under + weight * (small[here] - under)).astype(np.uint8)


def _ffmpeg(*words: str, pictures: Iterable[Image] | Iterator[Image] = ()) -> None:
    """Run ffmpeg; `pictures` go into its standard input."""
    program = shutil.which("ffmpeg")
    assert program, "expected the program ffmpeg, got none: run `make system`"
    command = [program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stderr
        try:
            for picture in pictures:
                process.stdin.write(np.ascontiguousarray(picture).data)
            process.stdin.close()
        except BrokenPipeError:
            pass
        said = process.stderr.read().decode()
    assert process.returncode == 0, said
