"""Where to put the panels of an annotated picture: beside their faces, inside the picture, over no face.

Rectangles are (x1, y1, x2, y2) in pixels.
"""

from collections.abc import Iterator, Sequence

Rect = tuple[float, float, float, float]


def overlap(a: Rect, b: Rect) -> float:
    """Area that two rectangles share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def inside(a: Rect, size: tuple[int, int]) -> bool:
    """Whether a rectangle lies in a picture of `size` (width, height)."""
    return a[0] >= 0 and a[1] >= 0 and a[2] <= size[0] and a[3] <= size[1]


def clamped(a: Rect, size: tuple[int, int]) -> Rect:
    """The rectangle moved into the picture, as far as it fits."""
    dx = max(-a[0], 0) + min(size[0] - max(a[2], a[2] - a[0]), 0)
    dy = max(-a[1], 0) + min(size[1] - max(a[3], a[3] - a[1]), 0)
    return (a[0] + dx, a[1] + dy, a[2] + dx, a[3] + dy)


def place_beside(
    face: Rect, panel: tuple[int, int], size: tuple[int, int], *, taken: Sequence[Rect], gap: int
) -> Rect | None:
    """A free place for a panel of (width, height) beside a face: right, left, below or above it.

    Returns:
        The first place that lies in the picture and touches nothing in `taken` (which holds the face itself too);
        None if there is none.
    """
    for spot in around(face, panel, gap):
        moved = clamped(spot, size)
        if inside(moved, size) and not any(overlap(moved, other) for other in taken):
            return moved
    return None


def place_over(face: Rect, panel: tuple[int, int], size: tuple[int, int], *, taken: Sequence[Rect]) -> Rect | None:
    """A corner of the picture for a panel of a face that fills it, where it hides the least of that face.

    Returns:
        None if every corner is away from the face, touches something in `taken` (the other faces and panels), or
        hides the face's middle.
    """
    width, height = panel
    corners = [(x, y, x + width, y + height) for y in (size[1] - height, 0) for x in (0, size[0] - width)]
    middle = _shrunk(face, 0.6)
    free = [c for c in corners if inside(c, size) and not any(overlap(c, o) for o in (*taken, middle))]
    return min((c for c in free if overlap(c, face)), key=lambda corner: overlap(corner, face), default=None)


def around(face: Rect, panel: tuple[int, int], gap: int) -> Iterator[Rect]:
    """The places beside a face, the better ones first; they may reach out of the picture."""
    x1, y1, x2, y2 = face
    width, height = panel
    for y in (y1, y2 - height, (y1 + y2 - height) / 2):
        yield (x2 + gap, y, x2 + gap + width, y + height)
        yield (x1 - gap - width, y, x1 - gap, y + height)
    for x in (x1, x2 - width, (x1 + x2 - width) / 2):
        yield (x, y2 + gap, x + width, y2 + gap + height)
        yield (x, y1 - gap - height, x + width, y1 - gap)


def _shrunk(rect: Rect, part: float) -> Rect:
    x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    w, h = (rect[2] - rect[0]) * part / 2, (rect[3] - rect[1]) * part / 2
    return (x - w, y - h, x + w, y + h)
