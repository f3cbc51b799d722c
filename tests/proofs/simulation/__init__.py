"""Histories of the whole pipeline, in memory and in virtual time. `python -m tests.proofs.simulation --help`."""
