"""Histories of the whole pipeline, in memory and in virtual time. `python -m tests.simulation --help`."""

import os

from tests.simulation.plants import VARIABLE, install

if os.environ.get(VARIABLE):
    install(os.environ[VARIABLE])
