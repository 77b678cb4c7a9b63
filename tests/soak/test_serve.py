"""`mien serve` for minutes: fifty clients at once, thousands of generated requests, cameras that come and go."""

import asyncio
import itertools
import os
import random
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import schemathesis
import websockets
from described import hold_to
from serving import Server, serving

CLIENTS = 50
SECONDS = float(os.environ.get("MIEN_SOAK_SERVE_S", "60"))
GROWTH_MB = 40  # of memory from the second third of a run to its end

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def memory_mb(server: Server) -> float:
    """What a server holds now."""
    return psutil.Process(server.process.pid).memory_info().rss / 1e6


async def measured(server: Server, work: list[asyncio.Task[None]]) -> list[float]:
    """Memory while tasks run, every second."""
    seen = []
    while not all(task.done() for task in work):
        seen.append(memory_mb(server))
        await asyncio.sleep(1)
    await asyncio.gather(*work)
    return seen


def test_fifty_clients(samples: Path) -> None:
    pictures = [(samples / name).read_bytes() for name in ("astronaut.jpg", "grace_hopper.jpg")]
    with serving() as server:
        codes: dict[int, int] = {}
        waits: list[float] = []

        async def client(number: int) -> None:
            turn = itertools.cycle(pictures[number % 2 :] + pictures[: number % 2])
            async with httpx.AsyncClient(base_url=server.address, timeout=120) as ask:
                while time.monotonic() < until:
                    began = time.monotonic()
                    answer = await ask.post("/predict", files={"images": next(turn)})
                    codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
                    if answer.status_code == 200:
                        waits.append(time.monotonic() - began)
                        assert answer.json()["pictures"][0]["faces"] == 1
                    else:
                        await asyncio.sleep(float(answer.headers["retry-after"]))

        async def load() -> list[float]:
            return await measured(server, [asyncio.create_task(client(number)) for number in range(CLIENTS)])

        until = time.monotonic() + SECONDS
        seen = asyncio.run(load())
        later = seen[len(seen) // 3 :]
        print(
            f"{sum(codes.values()):,} requests of {CLIENTS} clients in {SECONDS:g} s: {codes}; "
            f"p50 {np.percentile(waits, 50):.2f} s, p95 {np.percentile(waits, 95):.2f} s; "
            f"{later[0]:.0f} to {max(later):.0f} MB"
        )
        assert set(codes) <= {200, 503}
        assert codes[200] > SECONDS
        assert max(later) - later[0] < GROWTH_MB
        assert server.process.poll() is None


def test_a_short_queue_answers_503_and_goes_on(samples: Path) -> None:
    picture = (samples / "astronaut.jpg").read_bytes()
    with serving("--max-waiting", "2", "--detector", "haar") as server:

        async def ask(client: httpx.AsyncClient) -> httpx.Response:
            return await client.post(f"{server.address}predict", files={"images": picture})

        async def load() -> list[httpx.Response]:
            async with httpx.AsyncClient(timeout=120) as client:
                return await asyncio.gather(*[ask(client) for _ in range(200)])

        answers = asyncio.run(load())
        codes = {answer.status_code for answer in answers}
        assert codes == {200, 503}
        assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 503} == {"1"}
        assert httpx.get(f"{server.address}health").status_code == 200


def test_cameras_come_go_and_send_garbage(samples: Path) -> None:
    picture = (samples / "astronaut.jpg").read_bytes()
    with serving("--detector", "haar", "--max-streams", "20") as server:
        address = server.address.replace("http", "ws") + "stream"
        until = time.monotonic() + SECONDS / 2

        async def camera(number: int) -> None:
            chance = random.Random(number)
            while time.monotonic() < until:
                async with websockets.connect(address, max_size=None) as socket:
                    for _ in range(chance.randrange(1, 12)):
                        data = chance.choice([picture, picture, picture[: chance.randrange(len(picture))], b"?" * 99])
                        await socket.send(data)
                        if chance.random() < 0.8:
                            await socket.recv()
                    if chance.random() < 0.3:
                        socket.transport.abort()  # hangs up amid a frame

        async def load() -> list[float]:
            return await measured(server, [asyncio.create_task(camera(number)) for number in range(10)])

        seen = asyncio.run(load())
        later = seen[len(seen) // 3 :]
        print(f"{later[0]:.0f} to {max(later):.0f} MB")
        assert max(later) - later[0] < GROWTH_MB
        time.sleep(1)
        assert "mien_streams 0.0" in httpx.get(f"{server.address}metrics").text


def test_generated_requests() -> None:
    with serving("--detector", "none") as server:
        schema = schemathesis.openapi.from_url(f"{server.address}openapi.json")
        asked = hold_to(schema, examples=int(os.environ.get("MIEN_SOAK_REQUESTS", "400")), headers={})
        print(asked)
        assert server.process.poll() is None
