"""What the server answers, for its OpenAPI description. Rows have the columns of `mien predict`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mien.core.labels import LabelSet
from mien.pipeline import predict_table


class Row(BaseModel):
    """One face, or a picture or frame without one; beside these a column p_<label> for each emotion."""

    model_config = ConfigDict(extra="allow")

    source: str
    frame: int | None = None
    time_s: float | None = None
    face_id: int | None = None
    x1: float | None = None
    y1: float | None = None
    x2: float | None = None
    y2: float | None = None
    score: float | None = None
    label: str | None = None
    error: str | None = None


class Heat(BaseModel):
    """Where the model saw the emotion of a face: a map over a square of the picture."""

    size: int = Field(description="Values in a row, and rows.")
    values: str = Field(description="Base64 of size x size bytes, row by row; 255 where it matters most.")
    x: float = Field(description="Centre of the square, in pixels of the picture.")
    y: float
    side: float
    angle: float = Field(description="By which the square is turned, clockwise, in radians.")


class Picture(BaseModel):
    """One picture of a request."""

    source: str
    width: int | None = None
    height: int | None = None
    faces: int = 0
    error: str | None = None
    note: str | None = None
    heat: list[Heat] | None = None


class Prediction(BaseModel):
    """What was found in the pictures of a request."""

    model: str
    labels: list[str]
    pictures: list[Picture]
    rows: list[Row]


class JobState(BaseModel):
    """How far a video is."""

    id: str
    state: str = Field(description="queued, running, done, failed or cancelled.")
    source: str
    ahead: int = Field(description="Videos that are read before it.")
    frames: int = Field(description="Frames that are read.")
    total: int | None = Field(description="Frames that there are, where the file says so.")
    faces: int | None = Field(description="Different faces, once it is done.")
    error: str | None = Field(description="Why it failed; of one that is done, where it breaks off.")
    seconds_left: float | None = Field(description="For which the table is kept, once it is done.")


def columns_of(labels: LabelSet) -> list[str]:
    """Names of a table's columns, in their order."""
    return list(predict_table.columns(labels))


class About(BaseModel):
    """The model that answers, the others at hand, and what the server takes at most."""

    model: str
    head: str
    labels: list[str]
    columns: list[str]
    detector: str
    live_heat: bool = Field(description="Whether live frames can have heat maps.")
    models: dict[str, dict[str, Any]]
    limits: dict[str, float]


class Health(BaseModel):
    """Whether the server takes requests."""

    status: str
    version: str
