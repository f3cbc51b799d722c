"""Run the snippets of a guide: one bash and one Python for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Timer
from typing import Any

_END = "--- the end of a snippet ---"


class Shell:
    """`bash -euo pipefail` in a directory, with standard error in a file there."""

    def __init__(self, directory: Path, patience: float) -> None:
        self._said = directory / "stderr"
        self._patience = patience
        with self._said.open("w") as said:
            self._bash = subprocess.Popen(
                ["bash", "-euo", "pipefail"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=directory,
                text=True,
                start_new_session=True,
            )

    def run(self, code: str) -> str:
        """Return what a snippet prints. AssertionError if a command fails, or after `patience` seconds."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{\n{code}\n}} < /dev/null\nprintf '\\n%s\\n' '{_END}'\n")
        self._bash.stdin.flush()
        timer = Timer(self._patience, self._kill)
        timer.start()
        try:
            printed = ""
            for line in self._bash.stdout:
                if line.rstrip() == _END:
                    return printed
                printed += line
        finally:
            timer.cancel()
        raise AssertionError(f"the shell ended ({self._bash.wait()}): {printed}{self._said.read_text()[-1000:]}")

    def end(self) -> None:
        """Kill it and all that it has started."""
        self._kill()
        self._bash.communicate()

    def _kill(self) -> None:
        if self._bash.poll() is None:
            os.killpg(self._bash.pid, signal.SIGKILL)


class Python:
    """This Python interpreter."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, code: str) -> str:
        """Return what the snippet prints. It may raise anything."""
        with redirect_stdout(StringIO()) as printed:
            exec(compile(code, "<snippet>", "exec"), self._names)  # noqa: S102 - it is our own guide
        return printed.getvalue()
