"""MMI: a folder a session; clips in one or two views, some on their side, and stills."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

_DOWNLOAD = "mmi-facial-expression-database_download_2026-01-31_12_00_00"
_FPS = 25


def _session(folder: Path, name: str, view: int, emotion: int | None) -> None:
    """The two descriptions that each session has."""
    folder.mkdir(parents=True)
    (folder / "session.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<session sessionId="{folder.name}">\n  <track trackId="1" type="Video" filename="{name}" view="{view}">\n'
        f'    <annotation filename="{name}.xml"/>\n  </track>\n</session>\n'
    )
    tag = "" if emotion is None else f'  <Metatag Name="Emotion" Value="{emotion}"/>\n'
    (folder / f"{name}.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<Track>\n  <Metatag Name="Subject" Value="1"/>\n{tag}</Track>\n'
    )


def _clip(path: Path, n: int, picture: npt.NDArray[np.uint8]) -> None:
    """Frame k is the picture with a bar of k columns at its top."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), _FPS, picture.shape[1::-1])
    for k in range(n):
        frame = picture.copy()
        frame[:8, : 8 * k] = 255
        writer.write(np.repeat(frame[:, :, None], 3, 2))
    writer.release()


def _markers(path: Path, *units: tuple[tuple[int, int], ...]) -> None:
    """Of each action unit: (frame, type)."""
    lines = [
        f'  <ActionUnit Number="{k}">'
        + "".join(f'<Marker Frame="{frame}" Type="{kind}"/>' for frame, kind in unit)
        + "</ActionUnit>"
        for k, unit in enumerate(units, 1)
    ]
    path.write_text("<?xml version='1.0'?>\n<ActionUnits>\n" + "\n".join(lines) + "\n</ActionUnits>\n")


def _face(label: str, seed: int, *, size: int = 96, height: int = 96) -> npt.NDArray[np.uint8]:
    """A face in the middle of a picture of a given height."""
    above = (height - size) // 2
    return np.pad(face(label, seed=seed, size=size), ((above, height - size - above), (0, 0)))


def _write(sessions: Path) -> None:
    upright = _face("anger", 1, height=480)
    _session(sessions / "1", "S001-001", 0, 1)
    _clip(sessions / "1" / "S001-001.avi", 9, upright)
    _markers(  # frames 6 to 7 are at the height of both
        sessions / "1" / "S001-001-oao_aucs.xml",
        ((1, 0), (2, 1), (4, 2), (8, 3), (9, 0)),
        ((1, 0), (3, 1), (6, 2)),
    )
    lying = np.rot90(_face("happiness", 2, height=480))
    _session(sessions / "2", "S001-002", 0, 4)
    _clip(sessions / "2" / "S001-002.avi", 7, np.ascontiguousarray(lying))
    _session(sessions / "10", "S002-001", 1, 2)
    _clip(sessions / "10" / "S002-001.avi", 5, _face("disgust", 3))
    _session(sessions / "11", "S002-005", 2, 6)
    _clip(sessions / "11" / "S002-005.avi", 2, np.hstack([_face("neutral", 4), _face("surprise", 5)]))
    _session(sessions / "12", "S003-001", 0, 9)  # none of the six
    _clip(sessions / "12" / "S003-001.avi", 3, _face("contempt", 6))
    _session(sessions / "13", "S003-002", 0, None)  # action units alone
    _clip(sessions / "13" / "S003-002.avi", 3, _face("neutral", 7))
    _session(sessions / "1767", "S031-003", 0, 5)
    write_image(sessions / "1767" / "S031-003.jpg", _face("sadness", 8))
    _session(sessions / "1768", "S031-004", 2, 3)
    write_image(sessions / "1768" / "S031-004.png", np.hstack([_face("neutral", 9), _face("fear", 10)]))
    (sessions / ".DS_Store").write_bytes(b"litter")
    (sessions / "1" / "._S001-001.avi").write_bytes(b"litter")


def _frames(name: str, label: str, view: str, numbers: tuple[int, ...], half: str = "") -> list[Row]:
    side = f"-{half}" if half else ""
    return [
        Row(
            f"mmi-{name}_{number:05d}{side}",
            "train",
            {"mmi": label},
            {
                "subject": name[:4],
                "clip_id": f"{name}{side}",
                "frame": number,
                "time_s": (number - 1) / _FPS,
                "view": view,
            },
        )
        for number in numbers
    ]


def _still(name: str, label: str, view: str, half: str = "") -> Row:
    side = f"-{half}" if half else ""
    extra = {"subject": name[:4], "clip_id": "", "frame": -1, "time_s": np.nan, "view": view}
    return Row(f"mmi-{name}{side}", "train", {"mmi": label}, extra)


def sessions(root: Path) -> Layout:
    """A download, with the default choice: frontal views, three frames around the height."""
    _write(root / _DOWNLOAD / "Sessions")
    rows = [
        *_frames("S001-001", "anger", "frontal", (6, 7, 8)),
        *_frames("S001-002", "happiness", "frontal", (3, 4, 5)),
        *_frames("S002-005", "surprise", "frontal", (1, 2), "right"),
        _still("S031-003", "sadness", "frontal"),
        _still("S031-004", "fear", "frontal", "right"),
    ]
    return Layout("mmi", root, "Sessions", tuple(rows), False)


def clips(root: Path) -> Layout:
    """All frames of both views, the folder of the sessions itself as root, the other half taken for the frontal one."""
    _write(root / "Sessions")
    rows = [
        *_frames("S001-001", "anger", "frontal", tuple(range(1, 10))),
        *_frames("S001-002", "happiness", "frontal", tuple(range(1, 8))),
        *_frames("S002-001", "disgust", "profile", tuple(range(1, 6))),
        *_frames("S002-005", "surprise", "frontal", (1, 2), "left"),
        *_frames("S002-005", "surprise", "profile", (1, 2), "right"),
        _still("S031-003", "sadness", "frontal"),
        _still("S031-004", "fear", "frontal", "left"),
        _still("S031-004", "fear", "profile", "right"),
    ]
    options = {"clips": True, "view": "both", "dual": "left"}
    return Layout("mmi", root / "Sessions", "Sessions", tuple(rows), False, options)


FORMS = {"sessions": sessions, "clips": clips}
