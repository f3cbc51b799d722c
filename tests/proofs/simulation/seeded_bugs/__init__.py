"""Bugs that somebody could introduce into the product. Each of them must break a rule of the simulation.

To add one, add an entry to a table here: what goes wrong, a function of the product, and what happens in its place.
"""

from __future__ import annotations

from tests.proofs.simulation.seeded_bugs.of_api import API
from tests.proofs.simulation.seeded_bugs.of_domain import DOMAIN
from tests.proofs.simulation.seeded_bugs.of_workers import WORKERS

SEEDED_BUGS = DOMAIN | WORKERS | API
"""By the names that `--plant` takes."""
