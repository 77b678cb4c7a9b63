"""What a process opens, removes, starts and calls while it reads a stranger's file.

Python's own calls are seen by an audit hook. What native code opens is not; so something that nobody may open, the
canary, stands where paths in hostile files point, and the kernel says (inotify, on Linux) whether anyone did.
"""

import ctypes
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Reading is free where code lives; writing only where the inputs stand.
_CODE = tuple(
    os.path.realpath(each)
    for each in {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(Path(__file__).parents[2]), "/proc"}
)
_SYSTEM = ("/dev/null", "/dev/urandom", "/sys", "/usr/share/zoneinfo", "/usr/lib", "/lib", "/etc/ld.so.cache")
_WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_NEVER = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.connect",
          "socket.getaddrinfo", "socket.bind", "pickle.find_class", "ftplib.connect", "urllib.Request")  # fmt: skip
_OPENED = 0x20  # IN_OPEN of inotify(7)


class Watch:
    """Collects what is done outside a folder, from `begin` to `end`.

    Args:
        folder: where the inputs stand; anything is allowed in it.
        calls: whether processes that are started, connections and pickles count.
    """

    def __init__(self, folder: Path, *, calls: bool = True) -> None:
        self._folder, self._calls, self._on = os.path.realpath(folder), calls, False
        self._seen: list[str] = []
        self._canary = folder.parent / "canary"
        self._canary.mkdir(exist_ok=True)
        for suffix in ("", ".png", ".onnx", ".toml", ".csv", ".mp4"):
            (self._canary / f"secret{suffix}").write_bytes(b"secret " * 64)
        self._kernel = _inotify(self._canary)
        sys.dont_write_bytecode = True  # of modules that are imported on the way
        sys.addaudithook(self._hear)

    def begin(self) -> None:
        """Forget what was seen, and look."""
        self._drain()
        self._seen, self._on = [], True

    def end(self) -> list[str]:
        """What was done, in words; nothing, one hopes."""
        self._on = False
        return [*self._seen, *(f"native code opened the canary {name!r}" for name in self._drain())]

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            written = bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(args[2], int) else False
            self._judge("open to write" if written else "open", args[0], write=written)
        elif event in ("os.listdir", "os.scandir") and not isinstance(args[0], int):
            self._judge(event, args[0] or ".", write=False)
        elif event in _WRITES or event.startswith("shutil."):
            for path in args:
                if isinstance(path, str | bytes | os.PathLike):
                    self._judge(event, path, write=True)
        elif event in _NEVER and self._calls:
            self._seen.append(f"{event} {args!r:.200}")

    def _judge(self, what: str, path: Any, *, write: bool) -> None:
        real = os.path.realpath(os.fsdecode(path))
        allowed = (self._folder,) if write else (self._folder, *_CODE, *_SYSTEM)
        if (write and real == "/dev/null") or any(real == each or real.startswith(f"{each}/") for each in allowed):
            return
        self._seen.append(f"{what} {real}")

    def _drain(self) -> Iterator[str] | list[str]:
        if self._kernel is None:
            return []
        try:
            data = os.read(self._kernel, 1 << 16)
        except BlockingIOError:
            return []
        names = []
        while data:  # struct inotify_event: watch, mask, cookie, length of the name, name
            length = int.from_bytes(data[12:16], sys.byteorder)
            names.append(data[16 : 16 + length].rstrip(b"\0").decode())
            data = data[16 + length :]
        return [name for name in names if name]  # without: the folder itself was listed


def _inotify(folder: Path) -> int | None:
    """A descriptor from which the kernel says which files of a folder are opened; None where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if library.inotify_add_watch(descriptor, os.fsencode(folder), _OPENED) >= 0:
            return int(descriptor)
    except (OSError, AttributeError, TypeError):
        pass
    return None
