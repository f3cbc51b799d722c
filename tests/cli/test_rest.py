"""The HTTP client of the command line: where it sends a token, and what it says of one."""

from __future__ import annotations

import traceback

import pytest

from infra.cli import rest
from infra.cli.errors import CliError

TOKEN = "".join(("s3", "cret"))
"""In pieces here, because a traceback quotes the lines of this file."""


def test_a_malformed_header_is_not_repeated() -> None:
    """A token that fits into no header is an error of the command line that shows nothing of it, in a traceback too."""
    with pytest.raises(CliError) as refused:
        rest.call("GET", "http://127.0.0.1:9/events", token=f"{TOKEN}\n")
    assert "cannot send GET http://127.0.0.1:9/events" in str(refused.value)
    assert TOKEN not in "".join(traceback.format_exception(refused.value))
