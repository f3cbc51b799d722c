"""The checks of the guides' snippets see a wrong answer, and forgive only what differs each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guide import COMMENT, Tool, check, play, steps_of
from tests.support.guide_tools import Shell

TIME, LATER = "2026-11-22T15:33:00.123456Z", "2030-01-01T00:00:00.000000Z"
ADA, BOB = "reg_QZZMKEP3JJKTU5DOAU6BBCTISP", "reg_KDVR5AW7CC24SZU5TTUTG2B44V"
HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1.2"\r\nServer: x\r\n\r\n'

RIGHT = [
    ("json", '{"a": 1,\n "b": [true]}', '{"b": [true], "a": 1}\n'),
    ("json", f'{{"at": "{TIME}", "id": "{ADA}"}}', f'{{"at": "{LATER}", "id": "{BOB}"}}'),
    ("json", '{"next": "abcdefghijklmnop"}', '{"next": "ponmlkjihgfedcba_-"}'),
    ("json", '[{"a": {"b": 1, ...}}]{"a": 1}', '[{"a": {"b": 1, "c": 2}}]\n{"a": 1}'),
    ("http", 'HTTP/2 200\netag: "3.4"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
    ("text", f"a,b\n1,{TIME}", f"a,b\r\n1,{LATER}\r\n"),
]
WRONG = [
    ("json", '{"a": 1}', '{"a": 2}'),
    ("json", '{"a": 1}', '{"a": true}'),
    ("json", '{"a": 1}', '{"a": 1, "b": 2}'),
    ("json", '{"a": 1, "b": 2}', '{"a": 1}'),
    ("json", '{"a": 1, ...}', '{"a": 1}'),
    ("json", '{"a": 1}', '{"a": 1}{"a": 1}'),
    ("json", "[1]", "[1, 2]"),
    ("json", '{"a": 1}', "curl: (7)"),
    ("json", f'{{"at": "{TIME}"}}', '{"at": "2026-11-22"}'),
    ("json", '{"next": "abcdefghijklmnop"}', '{"next": null}'),
    ("http", 'HTTP/1.1 201\nETag: "1.2"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
    ("http", 'HTTP/1.1 200\nETag: "1"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
    ("http", 'HTTP/1.1 200\nETag: "1.2"\n...\n\n{"a": 1}', HEAD + '{"a": 2}'),
    ("http", 'HTTP/1.1 200\nETag: "1.2"\n\n{"a": 1}', HEAD + '{"a": 1}'),
    ("text", "a", "b"),
]


def test_answers() -> None:
    """Differences in form, order or by chance are accepted; another value, one more or one less is not."""
    for kind, shown, printed in RIGHT:
        check(kind, shown, printed)
    for kind, shown, printed in WRONG:
        with pytest.raises((AssertionError, ValueError)):
            check(kind, shown, printed)


GUIDE = """\
```sh
say 1
```
```text
1
```
<!-- a pause -->
```python
say(2)
```
"""


def test_steps() -> None:
    """Snippets and comments reach their tools in order; what a snippet prints must be shown, and nothing else."""
    ran: list[tuple[str, str]] = []

    def tool(name: str, prints: str) -> Tool:
        def run(code: str) -> str:
            ran.append((name, code))
            return prints

        return run

    for shell, python, line in (("1", "", ""), ("2", "", "line 1"), ("1", "what nobody shows", "line 8")):
        tools = {"sh": tool("sh", shell), COMMENT: tool(COMMENT, ""), "python": tool("python", python)}
        if line:
            with pytest.raises(AssertionError, match=line):
                play(steps_of(GUIDE), tools)
        else:
            play(steps_of(GUIDE), tools)
            assert ran == [("sh", "say 1\n"), (COMMENT, "a pause"), ("python", "say(2)\n")]
    for text in ("```json\n1\n```\n", "```sh\n```\n```json\n1\n```\n```json\n2\n```\n"):
        with pytest.raises(AssertionError, match="line"):
            steps_of(text)


@pytest.mark.parametrize("code", ["false; echo one", "false | cat", "echo $NOBODY", "while :; do sleep 0.1; done"])
def test_a_shell_that_fails(tmp_path: Path, code: str) -> None:
    """Snippets share a shell; a command that fails, an unset variable, or a snippet that does not end, ends it."""
    shell = Shell(tmp_path, patience=1)
    try:
        assert shell.run("NAME=ada; echo one").split() == ["one"]
        assert shell.run("cat; echo $NAME").split() == ["ada"]
        with pytest.raises(AssertionError, match="the shell ended"):
            shell.run(code)
    finally:
        shell.end()
