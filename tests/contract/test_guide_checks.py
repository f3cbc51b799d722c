"""The checks of the guide's snippets see a wrong answer, and forgive only what is another one each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guide import COMMENT, Tool, check, play, steps_of
from tests.support.guide_tools import Shell

TIME, LATER = "2026-11-22T15:33:00.123456Z", "2030-01-01T00:00:00.000000Z"
ADA, BOB = "reg_QZZMKEP3JJKTU5DOAU6BBCTISP", "reg_KDVR5AW7CC24SZU5TTUTG2B44V"
HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1.2"\r\nServer: x\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "shown", "printed"),
    [
        ("json", '{"a": 1,\n "b": [true]}', '{"b": [true], "a": 1}\n'),
        ("json", '{"a": 1}\n{"b": 2}\n', '{"a": 1}{"b": 2}'),
        ("json", f'{{"at": "{TIME}", "id": "{ADA}"}}', f'{{"at": "{LATER}", "id": "{BOB}"}}'),
        ("json", '{"next": "abcdefghijklmnop"}', '{"next": "ponmlkjihgfedcba_-"}'),
        ("json", '{"a": 1, ...}', '{"a": 1, "b": 2}'),
        ("json", '[{"a": {"b": 1, ...}}]', '[{"a": {"b": 1, "c": 2}}]'),
        ("http", 'HTTP/2 200\netag: "3.4"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
        ("http", "HTTP/1.1 204 No Content\n...", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"),
        ("text", f"a,b\n1,{TIME}", f"a,b\r\n1,{LATER}\r\n"),
    ],
)
def test_right(kind: str, shown: str, printed: str) -> None:
    """What differs in form, order or by chance alone is the answer that is shown."""
    check(kind, shown, printed)


@pytest.mark.parametrize(
    ("kind", "shown", "printed"),
    [
        ("json", '{"a": 1}', '{"a": 2}'),
        ("json", '{"a": 1}', '{"a": true}'),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}'),
        ("json", '{"a": 1, "b": 2}', '{"a": 1}'),
        ("json", '{"a": 1, ...}', '{"a": 1}'),
        ("json", '{"a": 1, ...}', '{"b": 1, "c": 2}'),
        ("json", '{"a": 1}', '{"a": 1}{"a": 1}'),
        ("json", '{"a": 1}{"a": 1}', '{"a": 1}'),
        ("json", "[1]", "[1, 2]"),
        ("json", '{"a": 1}', "curl: (7)"),
        ("json", f'{{"at": "{TIME}"}}', '{"at": "2026-11-22"}'),
        ("json", f'{{"id": "{ADA}"}}', '{"id": "reg_1"}'),
        ("json", '{"next": "abcdefghijklmnop"}', '{"next": null}'),
        ("http", 'HTTP/1.1 201\nETag: "1.2"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
        ("http", 'HTTP/1.1 200\nETag: "1"\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
        ("http", 'HTTP/1.1 200\nVary: Accept\n...\n\n{"a": 1}', HEAD + '{"a": 1}'),
        ("http", 'HTTP/1.1 200\nETag: "1.2"\n...\n\n{"a": 1}', HEAD + '{"a": 2}'),
        ("http", 'HTTP/1.1 200\nETag: "1.2"\n...', HEAD + '{"a": 1}'),
        ("http", 'HTTP/1.1 200\nETag: "1.2"\n\n{"a": 1}', HEAD + '{"a": 1}'),
        ("text", "a\nb", "a"),
        ("text", "a", "b"),
    ],
)
def test_wrong(kind: str, shown: str, printed: str) -> None:
    """Another value, one more or one less, another form: none of these is the answer that is shown."""
    with pytest.raises((AssertionError, ValueError)):
        check(kind, shown, printed)


GUIDE = """\
Say

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


def test_steps_are_taken_in_order() -> None:
    """Snippets and comments reach their tools in the order of the guide, each once."""
    said: list[tuple[str, str]] = []

    def tool(name: str, prints: str) -> Tool:
        def run(code: str) -> str:
            said.append((name, code))
            return prints

        return run

    play(steps_of(GUIDE), {"sh": tool("sh", "1"), COMMENT: tool(COMMENT, ""), "python": tool("python", "")})
    assert said == [("sh", "say 1\n"), (COMMENT, "a pause"), ("python", "say(2)\n")]


@pytest.mark.parametrize(("first", "second"), [("2", ""), ("1", "what nobody shows")])
def test_what_a_snippet_prints_must_be_shown(first: str, second: str) -> None:
    """A guide fails at a snippet that prints something else than is shown, or prints although nothing is shown."""
    tools = {"sh": lambda _: first, COMMENT: lambda _: "", "python": lambda _: second}
    with pytest.raises(AssertionError, match="line 3" if first == "2" else "line 10"):
        play(steps_of(GUIDE), tools)


@pytest.mark.parametrize("text", ["```json\n1\n```\n", "```sh\n```\n```json\n1\n```\n```json\n2\n```\n"])
def test_answers_to_nothing(text: str) -> None:
    """An answer that no snippet gives, or a second one to the same, is a mistake in the guide."""
    with pytest.raises(AssertionError, match="line"):
        steps_of(text)


def test_a_shell_keeps_its_variables(tmp_path: Path) -> None:
    """Snippets share one shell, print one after the other, and have nobody's input to wait for."""
    shell = Shell(tmp_path, patience=10)
    try:
        assert shell.run("NAME=ada; echo one").split() == ["one"]
        assert shell.run("cat; echo $NAME").split() == ["ada"]
    finally:
        shell.end()


@pytest.mark.parametrize("code", ["false; echo one", "false | cat", "echo $NOBODY", "while :; do sleep 0.1; done"])
def test_a_shell_that_fails(tmp_path: Path, code: str) -> None:
    """A command that fails, in a pipe too, a variable that is not there, and no end in sight end the snippet."""
    shell = Shell(tmp_path, patience=1)
    try:
        with pytest.raises(AssertionError, match="the shell ended"):
            shell.run(code)
    finally:
        shell.end()
