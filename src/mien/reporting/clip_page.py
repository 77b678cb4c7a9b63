"""The page that shows a clip: who was seen when, and with which emotions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mien.evaluation.behaviour import GAP_S, ClipBehaviour, FaceBehaviour
from mien.evaluation.timeline import Course
from mien.reporting import figures_clip as draw
from mien.reporting.drawing import Drawing, render
from mien.reporting.page import FigureView, Section, TableView, render_page
from mien.reporting.style import many

_SHOWN = 40  # faces in a table; the csv has all
_TRANSITIONS = 6  # of a face, the most frequent


@dataclass(frozen=True)
class ClipPage:
    """The page, and its figure."""

    html: str
    timeline: Drawing


def clip_page(
    name: str, clip: ClipBehaviour, course: Course, *, facts: Sequence[tuple[str, str]] = (), foot: str = ""
) -> ClipPage:
    """Draw the timeline of a clip and lay out its page.

    Args:
        name: of the clip.
        clip: what its faces did.
        course: the same, second by second.
        facts: names and values that stand at the top, beside its length and the faces.
        foot: in words, what lies beside the page.
    """
    drawing = render("timeline", partial(draw.timeline, course))
    sections = [
        Section("Timeline", _left_out(course), figures=(_figure(drawing, clip),)),
        *([Section("Faces", _numbering(clip), (_faces(clip), _means(clip)))] if clip.faces else []),
        *([Section("Transitions", _reading_of_transitions(), (table,))] if (table := _transitions(clip)) else []),
    ]
    top = [
        ("length", draw.clock(clip.seconds)),
        ("frames looked at", many(clip.frames)),
        ("faces", many(len(clip.faces))),
        ("nobody found", draw.clock(clip.without_face_s)),
        *facts,
    ]
    return ClipPage(render_page(name, sections, subtitle="faces and emotions over time", facts=top, foot=foot), drawing)


def _figure(drawing: Drawing, clip: ClipBehaviour) -> FigureView:
    reading = (
        "For each face the probabilities of all emotions, stacked to 100 %; where it was not seen there is nothing. "
        "The strip below says the label of each moment, and the last strip where no face was found at all."
    )
    return FigureView("Emotions over time", reading, drawing, _finding(clip))


def _finding(clip: ClipBehaviour) -> str:
    if not clip.faces:
        return "No face was found."
    face = max(clip.faces, key=lambda each: each.seconds)
    share = face.share.max()
    return f"Face {face.face_id} was seen for {draw.clock(face.seconds)}, {share:.0%} of it {face.label}.".replace(
        "%", "\N{NO-BREAK SPACE}%"
    )


def _left_out(course: Course) -> tuple[str, ...]:
    more = len(course.faces) - draw.MOST_FACES
    if more <= 0:
        return ()
    return (f"The {draw.MOST_FACES} faces that were seen the longest are drawn; {more:,} more are in the tables.",)


def _numbering(clip: ClipBehaviour) -> tuple[str, ...]:
    if len(clip.faces) <= _SHOWN:
        return ()
    return (f"The {_SHOWN} faces that were seen the longest; the csv has all {len(clip.faces):,}.",)


def _longest(clip: ClipBehaviour) -> list[FaceBehaviour]:
    kept = sorted(clip.faces, key=lambda face: -face.seconds)[:_SHOWN]
    return sorted(kept, key=lambda face: face.face_id)


def _faces(clip: ClipBehaviour) -> TableView:
    states = max((face.states for face in clip.faces), key=len)
    rows = [
        (
            str(face.face_id),
            f"{draw.clock(face.first_s)} to {draw.clock(face.last_s)}",
            draw.clock(face.seconds),
            *(f"{share:.0%}".replace("%", " %") if share else "–" for share in face.share),
            *["–"] * (len(states) - len(face.states)),
        )
        for face in _longest(clip)
    ]
    return TableView(("face", "from, to", "seen", *states), tuple(rows), "Share of the time in which a face was seen.")


def _means(clip: ClipBehaviour) -> TableView:
    rows = [(str(face.face_id), *(f"{value:.3f}" for value in face.mean)) for face in _longest(clip)]
    return TableView(("face", *clip.labels), tuple(rows), "Mean probabilities over the same time.")


def _transitions(clip: ClipBehaviour) -> TableView | None:
    rows = [row for face in _longest(clip) for row in _of_face(face)]
    if not rows:
        return None
    header = ("face", "from", "to", "times", "share", "episodes before", "their mean length (s)")
    return TableView(header, tuple(rows), "The most frequent changes of each face.")


def _of_face(face: FaceBehaviour) -> Iterator[tuple[str, ...]]:
    counts = face.transitions
    order = [divmod(int(k), len(face.states)) for k in (-counts).ravel().argsort(kind="stable")[:_TRANSITIONS]]
    for i, j in order:
        if counts[i, j]:
            share = f"{counts[i, j] / counts[i].sum():.0%}".replace("%", " %")
            episodes = (str(face.episodes[i]), f"{face.episode_s[i]:.1f}")
            yield (str(face.face_id), face.states[i], face.states[j], str(counts[i, j]), share, *episodes)


def _reading_of_transitions() -> tuple[str, ...]:
    return (
        "An episode lasts as long as the label stays the same. It also ends where the face is out of sight for more "
        f"than {GAP_S:g} s, which is no transition. The share is of all changes from the same emotion.",
    )
