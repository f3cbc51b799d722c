"""The one logger of the back of the pipeline: structured, nothing personal in it."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger()
