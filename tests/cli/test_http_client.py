"""The HTTP client of the command line: where it sends a token, and what it says of one."""

from __future__ import annotations

import traceback

import pytest

from infra.cli import http_client
from infra.cli.errors import CliError
from tests.support.http_server import Handler, serving

TOKEN = "s3cret"


def test_a_malformed_header_is_not_repeated() -> None:
    """A token that fits into no header is an error of the command line that shows nothing of it, in a traceback too."""
    with pytest.raises(CliError) as refused:
        http_client.call("GET", "http://127.0.0.1:9/events", token=f"{TOKEN}\n")
    assert "cannot send GET http://127.0.0.1:9/events" in str(refused.value)
    assert TOKEN not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer(status: int) -> None:
    """A redirect is returned as it is: the token goes to no other host."""
    asked: list[str | None] = []

    class Other(Handler):
        """A host that must not see the token."""

        def reply(self) -> None:
            """Record what it was sent."""
            asked.append(self.headers["Authorization"])
            self.answer(b"{}")

    with serving(Other) as other:

        class Api(Handler):
            """The host that was asked."""

            def reply(self) -> None:
                """Send the client elsewhere."""
                self.answer(status=status, headers={"Location": f"{other}/events"})

        with serving(Api) as api:
            answer = http_client.call("GET", f"{api}/events", token=TOKEN)
    assert (answer.status, answer.headers["location"]) == (status, f"{other}/events")
    assert asked == []
