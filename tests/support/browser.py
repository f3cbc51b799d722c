"""The Chromium in which pages are tried: the one of this machine, installed where that is one command.

`python -m tests.support.browser` (`make browser`) sees to it that there is one, or says what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--no-proxy-server", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
"""The sandbox does not work for root; the others keep Chromium quiet and on this machine."""

SETTING = "TURNSTILE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "The tests of the pages need Chromium: install it (on Debian: apt install chromium), "
    f"or set {SETTING} to the path of a Chromium or Chrome."
)


class NoBrowser(Exception):
    """There is no Chromium; the message is one sentence for the person at the terminal."""


def chromium(environment: Mapping[str, str] = os.environ) -> str:
    """The path of a Chromium that runs. NoBrowser if there is none."""
    chosen = environment.get(SETTING)
    if chosen:
        if not _runs(chosen):
            raise NoBrowser(f"{SETTING} is {chosen}, which does not run.")
        return chosen
    for name in NAMES:
        path = shutil.which(name, path=environment.get("PATH"))
        if path is not None and _runs(path):
            return path
    raise NoBrowser(MISSING)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless Chromium, as long as the block runs. NoBrowser if there is none."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - `make browser` needs only the path

    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _runs(path: str) -> bool:
    # Some systems have a placeholder of that name which only says where to get a browser.
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _install() -> None:
    """Debian's package, with the font that it depends on. NoBrowser if apt-get does not install it."""
    print("Installing Chromium ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "-qq", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoBrowser(f"{MISSING} apt-get could not: {reason}")


def main() -> int:
    """Return when there is a Chromium; else one sentence on stderr and code 1."""
    try:
        try:
            chromium()
        except NoBrowser:
            if os.environ.get(SETTING) or shutil.which("apt-get") is None or os.geteuid() != 0:
                raise
            _install()
            chromium()
    except NoBrowser as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
