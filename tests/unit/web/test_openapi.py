"""Every answer is as the OpenAPI description says, whatever the request; `tests/soak` asks many more."""

import schemathesis
from described import hold_to

from mien.web.app import create_app
from mien.web.settings import ServeConfig

HERE = {"Host": "localhost"}


def test_every_answer_is_as_described(tiny_model):
    app = create_app(ServeConfig(model=tiny_model, detector="none"))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HERE)
    asked = hold_to(schema, examples=8, headers=HERE)
    assert len(asked) == 8  # GET and DELETE of jobs count as two
