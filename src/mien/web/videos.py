"""`POST /videos` and `/jobs`: a video becomes a job, whose progress and table are asked for."""

import asyncio
import shutil
from typing import Annotated, Literal

from fastapi import APIRouter, File, Path, Query, UploadFile
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from mien.core.headers import picture_size
from mien.web.answers import JobState, Row
from mien.web.contents import HEAD, upload_name, video_kind
from mien.web.jobs import Jobs
from mien.web.recognition import Recognition
from mien.web.refusals import PROBLEM, Refusal

JobId = Annotated[str, Path(max_length=64, description="As POST /videos gave it.")]
_ROWS = {"schema": {"type": "array", "items": Row.model_json_schema()}}
_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def router(jobs: Jobs, recognition: Recognition) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.post("/videos", status_code=202, summary="Have a video read.")
    async def submit(video: Annotated[UploadFile, File(description="One video.")], response: Response) -> JobState:
        if recognition.stopping:
            raise Refusal(503, "expected a server that goes on, got one that is stopping: ask again", retry_after_s=30)
        name = upload_name(video.filename)
        suffix = _check_video(await video.read(HEAD), video.size or 0, name)
        await video.seek(0)
        job = jobs.new(name, suffix)
        try:
            with open(job.upload, "wb") as file:
                await asyncio.to_thread(shutil.copyfileobj, video.file, file, 1 << 20)
        except OSError:  # a full disk: it is no secret, but where it is full is
            await jobs.remove(job)
            raise Refusal(
                503, "expected room for the video, got a full disk: ask again later", retry_after_s=60
            ) from None
        jobs.submit(job)
        response.headers["Location"] = f"/jobs/{job.id}"
        return jobs.about(job)

    @routes.get("/jobs/{id}", summary="How far a video is.")
    async def state(id: JobId) -> JobState:
        return jobs.about(jobs.find(id))

    @routes.get(
        "/jobs/{id}/table",
        summary="The table of a video that is read.",
        response_class=FileResponse,
        responses={
            200: {"content": {"text/csv": {"schema": {"type": "string"}}, "application/json": _ROWS}},
            409: {"description": "The video is not read yet, or could not be.", "content": PROBLEM},
        },
    )
    async def table(id: JobId, format: Annotated[Literal["csv", "json"], Query()] = "csv") -> FileResponse:
        job = jobs.find(id)
        if job.state != "done":
            raise Refusal(409, f"expected a job that is done, got one that is {job.state}: see /jobs/{id}")
        # The page itself asks for JSON, to draw; who has the csv has it in a file.
        kept = BackgroundTask(setattr, job, "fetched", True) if format == "csv" else None
        return FileResponse(job.table(format), media_type=_TYPES[format], background=kept)

    @routes.delete("/jobs/{id}", status_code=204, summary="Stop a job and delete its table.")
    async def remove(id: JobId) -> None:
        await jobs.remove(jobs.find(id))

    return routes


def _check_video(head: bytes, size: int, name: str) -> str:
    """A suffix for the upload, by what it is; Refusal where it is no video."""
    if not size:
        raise Refusal(422, f"expected a video in {name}, got no bytes: choose another file")
    kind = video_kind(head)
    if kind is None:
        picture = "a picture: send it to /predict" if picture_size(head) else f"{size:,} bytes of something else"
        raise Refusal(415, f"expected a video such as MP4, WebM, Matroska, AVI or GIF in {name}, got {picture}")
    return {"GIF": ".gif", "animated WebP": ".webp"}.get(kind, ".mp4")  # the reader of the others goes by content
