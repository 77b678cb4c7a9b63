"""A server against its own OpenAPI description, asked with requests that schemathesis makes up."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def hold_to(schema: Any, *, examples: int, headers: Mapping[str, str]) -> dict[str, int]:
    """Ask every route so often; returns how many requests it got. Whatever is not as described raises.

    503 is an answer that is described, and no server's error here: a full queue says so.
    """
    operations = [found.ok() for found in schema.get_all_operations()]
    return {operation.label: _ask(operation, examples, headers) for operation in operations}


def _ask(operation: Any, examples: int, headers: Mapping[str, str]) -> int:
    count = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def holds(case: Any) -> None:
        nonlocal count
        answer = case.call(headers=headers)
        count += 1
        case.validate_response(answer, checks=CHECKS[1:] if answer.status_code == 503 else CHECKS)

    holds()
    return count
