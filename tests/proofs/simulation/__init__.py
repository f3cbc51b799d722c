"""Histories of the whole pipeline, in memory and in virtual time. `python -m tests.proofs.simulation --help`."""

import os

from tests.proofs.simulation.seeded_bugs import VARIABLE, install

if os.environ.get(VARIABLE):
    install(os.environ[VARIABLE])
