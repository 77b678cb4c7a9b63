"""A native window: a picture as large as fits, a line of status below it, a message over it, and the keys pressed.

SDL 2 through pygame-ce, the extra `live`.
"""

import os
from types import ModuleType
from typing import Any

from mien.core.errors import UsageError
from mien.core.optional import require
from mien.core.types import Image

BAR = 34  # pixels: height of the line below the picture
QUIT = "quit"

_GROUND = (16, 19, 24)
_TEXT = (226, 231, 238)
_FAINT = (138, 148, 162)
_RECORDING = (240, 67, 58)
_BANNER = (255, 200, 61)
_MARGIN = 12
_SIZE = 18  # of the letters


class Window:
    """Opens at once. To be used by the thread that made it, as SDL wants.

    Args:
        title: of the window.
        size: width and height of the picture, in pixels; what is larger than the screen is shrunk.

    Raises:
        MissingExtraError: pygame-ce is not installed.
        UsageError: there is no screen.
    """

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        self._pygame: ModuleType = require("pygame", extra="live")
        self._expect_screen()
        self._pygame.font.init()
        self._pygame.display.set_caption(title)
        wide, high = self._fitting(size)
        self._screen = self._pygame.display.set_mode((wide, high + BAR), self._pygame.RESIZABLE)
        self._font = self._pygame.font.Font(None, _SIZE)

    def show(
        self, image: Image, *, status: str = "", keys: str = "", message: str = "", recording: bool = False
    ) -> None:
        """Show a picture.

        Args:
            image: RGB uint8 (H, W, 3).
            status: on the left of the line below.
            keys: on its right, where there is room for it.
            message: over the picture, which is darkened then; "" for none.
            recording: put a red dot before the status.
        """
        pygame, screen = self._pygame, self._screen
        screen.fill(_GROUND)
        width, height = screen.get_size()
        picture = pygame.image.frombuffer(image.tobytes(), (image.shape[1], image.shape[0]), "RGB")
        scale = min(width / image.shape[1], max(height - BAR, 1) / image.shape[0])
        size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
        if size != picture.get_size():
            picture = pygame.transform.smoothscale(picture, size)
        place = picture.get_rect(center=(width // 2, (height - BAR) // 2))
        screen.blit(picture, place)
        if message:
            self._say(message, place)
        self._line(status, keys, recording)
        pygame.display.flip()

    def keys(self) -> list[str]:
        """What was pressed since the last call, as the keys' names; `QUIT` where the window was closed."""
        pressed = []
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                pressed.append(QUIT)
            elif event.type == self._pygame.KEYDOWN:
                pressed.append(self._pygame.key.name(event.key))
        return pressed

    def close(self) -> None:
        """Close it; twice does no harm."""
        self._pygame.display.quit()

    def _expect_screen(self) -> None:
        try:
            self._pygame.display.init()
        except self._pygame.error as error:
            raise UsageError(
                f"expected a screen to open a window on, got: {error}: use `mien serve` and a browser, "
                "or `mien predict` on a recording"
            ) from None

    def _fitting(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size at which a picture fits on the screen beside its borders."""
        screen = self._pygame.display.get_desktop_sizes()[0]
        share = min(1.0, 0.9 * screen[0] / size[0], (0.9 * screen[1] - BAR) / size[1])
        return max(round(size[0] * share), 1), max(round(size[1] * share), 1)

    def _say(self, message: str, place: Any) -> None:
        shade = self._pygame.Surface(place.size)
        shade.fill(_GROUND)
        shade.set_alpha(150)
        self._screen.blit(shade, place)
        text = self._font.render(message, True, _BANNER)
        self._screen.blit(text, text.get_rect(center=place.center))

    def _line(self, status: str, keys: str, recording: bool) -> None:
        width, height = self._screen.get_size()
        middle, left = height - BAR // 2, _MARGIN
        if recording:
            self._pygame.draw.circle(self._screen, _RECORDING, (left + 5, middle), 5)
            left += 18
        text = self._font.render(status, True, _TEXT)
        self._screen.blit(text, text.get_rect(midleft=(left, middle)))
        hint = self._font.render(keys, True, _FAINT)
        if left + text.get_width() + hint.get_width() + 2 * _MARGIN < width:
            self._screen.blit(hint, hint.get_rect(midright=(width - _MARGIN, middle)))
