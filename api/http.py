"""What every function of the API does alike: reads requests, answers JSON, turns errors into problem documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from pydantic import BaseModel, ValidationError

from api.problems import RETRY_AFTER_SECONDS, Problem, RequestError, invalid
from api.routes import ROUTES
from workers.aws.clients import passes_by_itself
from workers.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

MAX_BODY_BYTES = 64 * 1024
MAX_ID_BYTES = 2048
"""What DynamoDB takes as a partition key; an id longer than this names nothing."""

_MAX_ERRORS = 20

Model = TypeVar("Model", bound=BaseModel)


def new_app() -> APIGatewayHttpResolver:
    """A resolver that answers problem documents for whatever is not answered otherwise."""
    app = APIGatewayHttpResolver()

    @app.not_found
    def unknown_route(_: Exception) -> Response[str]:
        return no_such_route(app.current_event.http_method, unquote(app.current_event.path))

    @app.exception_handler(RequestError)  # type: ignore[untyped-decorator]  # Powertools leaves it untyped
    def refused(error: RequestError) -> Response[str]:
        return error.problem.response()

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]  # Powertools leaves it untyped
    def failed(error: Exception) -> Response[str]:
        if passes_by_itself(error):
            logger.warning("overloaded", exc_info=error)
            retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return Problem("overloaded", "Please try again in a moment.", headers=retry).response()
        request_id = app.current_event.request_context.request_id
        logger.error("unexpected error", exc_info=error)
        return Problem("internal-error", f"The log has more under request id {request_id}.").response()

    return app


def answer(app: APIGatewayHttpResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Resolves one API Gateway event; every log line of it carries the request's id, and that of its event if any."""
    request_id = event.get("requestContext", {}).get("requestId")
    event_id = (event.get("pathParameters") or {}).get("eventId")
    logger.append_keys(request_id=request_id, event_id=event_id, command_id=None, registration_id=None)
    # API Gateway decodes the path (all but `%25`), and the resolver's patterns know only some characters: other ids
    # would be no route.
    path = event["rawPath"].replace("%25", "%")
    return app.resolve(event | {"rawPath": quote(path, errors="replace")}, context)


def path_id(part: str) -> str:
    """An id as it was in the path, with whatever characters it has."""
    return unquote(part)


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response[str]:
    """A JSON answer."""
    return Response(status, "application/json", json.dumps(body), dict(headers or {}))


def no_such_route(method: str, path: str) -> Response[str]:
    """404, or 405 with `Allow` if the path is known with other methods."""
    allowed = sorted(route.method for route in ROUTES if _pattern(route.path).fullmatch(path))
    if allowed and method not in allowed:
        allow = {"Allow": ", ".join(allowed)}
        return Problem("method-not-allowed", f"It takes {allow['Allow']}.", headers=allow).response()
    return Problem("route-not-found", "No route has this path.").response()


def read_body(event: APIGatewayProxyEventV2, model: type[Model]) -> Model:
    """The request's body as a model. RequestError: 413, 415, or 400 that names each wrong place."""
    # `decoded_body` would fail on base64 of what is no text; such a body is no JSON in any case.
    raw = event.body or ""
    encoded = event.is_base64_encoded
    size = len(raw) * 3 // 4 - raw[-2:].count("=") if encoded else len(raw.encode(errors="replace"))
    if size > MAX_BODY_BYTES:
        raise RequestError(Problem("body-too-large", f"It has {size} bytes; {MAX_BODY_BYTES} are taken."))
    if _media_type(event.headers.get("content-type")) != "application/json":
        raise RequestError(Problem("unsupported-media-type", "Send Content-Type: application/json."))
    try:
        text = event.decoded_body or "" if encoded else raw
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RequestError:
        raise
    except (ValueError, RecursionError) as error:
        raise RequestError(Problem("invalid-json", _json_detail(error))) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = tuple(
            {"pointer": _pointer(found["loc"]), "detail": _detail(found["type"], found["msg"])}
            for found in error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
        )
        raise RequestError(Problem("invalid-request", "The body is invalid.", errors)) from None


def query_parameter(event: APIGatewayProxyEventV2, name: str) -> str | None:
    """A query parameter; several of one name are joined by commas, as API Gateway delivers them."""
    value: str | None = event.query_string_parameters.get(name)
    return value


def is_key(value: str) -> bool:
    """True for what can be a key in a table."""
    return 0 < len(value.encode(errors="replace")) <= MAX_ID_BYTES


def url(base: str, *parts: str) -> str:
    """An absolute URL under the API's base."""
    return "/".join([base, *(quote(part, safe="") for part in parts)])


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))


def _media_type(header: str | None) -> str:
    return (header or "").split(";", 1)[0].strip().lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise invalid("/" + _escape(name), "The name is there twice.")
        members[name] = value
    return members


def _no_constant(name: str) -> None:
    raise RequestError(Problem("invalid-json", f"{name} is not a JSON value."))


def _json_detail(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}, column {error.colno}."
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    if isinstance(error, UnicodeDecodeError):
        return "It is not UTF-8."
    # A number with thousands of digits, or broken base64: Python's own words would say more of us than of the request.
    return "It cannot be read."


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + _escape(str(part)) for part in location)


def _escape(part: str) -> str:
    return part[:100].replace("~", "~0").replace("/", "~1")


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "This field is required."
    if kind == "extra_forbidden":
        return "There is no such field."
    if kind == "model_type":
        return "It must be a JSON object."
    if kind == "string_unicode":
        return "It is not a valid Unicode text."
    sentence = message.removeprefix("Value error, ").rstrip(".") + "."
    return sentence[0].upper() + sentence[1:]
