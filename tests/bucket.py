"""An object store on loopback: moto's server."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest


@contextlib.contextmanager
def stored(bucket: str) -> Iterator[Any]:
    """Its file system with an empty bucket, for the time of the block.

    The variables that name keys and the endpoint are set, for this process and those that it starts.
    """
    fsspec, server = pytest.importorskip("fsspec"), pytest.importorskip("moto.server")
    served = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    served.start()
    host, port = served.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("DEFAULT_REGION", "us-east-1")):
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir(bucket)
        yield files
    served.stop()
