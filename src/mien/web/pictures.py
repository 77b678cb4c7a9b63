"""`POST /predict`: pictures in, faces and emotions out, as JSON or as the picture with them drawn on it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from mien.core.errors import InputError
from mien.core.images import encode
from mien.core.types import Image
from mien.pipeline.annotate import annotate
from mien.pipeline.face_heat import FaceHeat
from mien.pipeline.predict_table import Recognized, Row, rows
from mien.web.answers import Prediction
from mien.web.contents import check_picture, upload_name
from mien.web.metrics import Metrics
from mien.web.recognition import Recognition
from mien.web.refusals import Refusal
from mien.web.settings import ServeConfig

JPEG = "image/jpeg"


@dataclass(frozen=True, eq=False)
class _Look:
    """What was found in one picture.

    Attributes:
        rows: of the table. about: the picture itself, as the answer's `pictures` hold it.
        drawn: it with its faces drawn, as JPEG, if that was asked for.
        refusal: why it was not read.
    """

    rows: Sequence[Row]
    about: dict[str, Any]
    drawn: bytes = b""
    refusal: Refusal | None = None


def router(config: ServeConfig, recognition: Recognition, metrics: Metrics) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post(
        "/predict",
        summary="Find the faces of pictures and what they express.",
        responses={200: {"model": Prediction, "content": {JPEG: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    async def predict(
        request: Request,
        images: Annotated[list[UploadFile], File(description="One picture or several.")],
        annotated: Annotated[
            bool, Query(description="Answer with the picture and its faces drawn on it; so does Accept: image/jpeg.")
        ] = False,
        heat: Annotated[bool, Query(description="With heat maps: where the model saw the emotion.")] = False,
        abstain: Annotated[float | None, Query(ge=0, le=1, description="No label below this probability.")] = None,
    ) -> Response:
        annotated = annotated or _wants_jpeg(request.headers.get("accept", ""))
        _check_count(len(images), config.max_pictures, annotated)
        looks = []
        async with recognition.admitted():
            for upload in images:
                data, name = await upload.read(), upload_name(upload.filename)
                looks.append(await recognition.run(_look, data, name, recognition, config, annotated, heat, abstain))
                metrics.pictures.inc()
                metrics.faces.inc(looks[-1].about["faces"])
        if len(looks) == 1 and looks[0].refusal:
            raise looks[0].refusal
        if annotated:
            return Response(looks[0].drawn, media_type=JPEG)
        return JSONResponse(
            {
                "model": recognition.recognizer.classifier.card.name,
                "labels": list(recognition.recognizer.label_set),
                "pictures": [look.about for look in looks],
                "rows": [row for look in looks for row in look.rows],
            }
        )

    return routes


def _wants_jpeg(accept: str) -> bool:
    kinds = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    return JPEG in kinds and "application/json" not in kinds


def _check_count(count: int, most: int, annotated: bool) -> None:
    if count > most:
        raise Refusal(413, f"expected at most {most} pictures in one request, got {count}: send several requests")
    if annotated and count != 1:
        raise Refusal(422, f"expected one picture to draw on, got {count}: ask for JSON, or send one at a time")


def _look(
    data: bytes,
    name: str,
    recognition: Recognition,
    config: ServeConfig,
    annotated: bool,
    heat: bool,
    abstain: float | None,
) -> _Look:
    """One picture, from its bytes to its rows. Runs in a worker."""
    recognizer = recognition.recognizer
    labels = recognizer.label_set
    about: dict[str, Any] = {"source": name, "width": None, "height": None, "faces": 0, "error": None, "note": None}
    try:
        about["note"] = check_picture(data, name, most_megapixels=config.max_megapixels)
        image = recognition.decode(data, name=name)
    except (Refusal, InputError) as error:
        refusal = error if isinstance(error, Refusal) else Refusal(422, str(error))
        about["error"] = refusal.detail
        return _Look(rows(Recognized(name, None, refusal.detail), labels), about, refusal=refusal)
    faces, crops = recognizer.locate(image)
    predictions = recognizer.classify([(faces, crops)])[0]
    table = rows(Recognized(name, predictions), labels, abstain=abstain)
    about |= {"width": image.shape[1], "height": image.shape[0], "faces": len(faces)}
    if annotated:
        under: Image = recognition.explainer.lay_over(image, faces) if heat else image
        return _Look(table, about, encode(annotate(under, predictions, labels=[row["label"] for row in table]), ".jpg"))
    if heat:
        about["heat"] = packed(recognition.explainer.heat(image, faces))
    return _Look(table, about)


def packed(maps: Sequence[FaceHeat]) -> list[dict[str, Any]]:
    """Heat maps as JSON holds them; see `mien.web.answers.Heat`."""
    return [
        {
            "size": len(each.values),
            "values": base64.b64encode(np.rint(each.values * 255).astype(np.uint8).tobytes()).decode(),
            **{name: round(getattr(each, name), 3) for name in ("x", "y", "side", "angle")},
        }
        for each in maps
    ]
