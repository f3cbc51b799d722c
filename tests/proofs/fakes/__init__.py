"""Proves that the in-memory DynamoDB of the simulation answers what AWS's own does: `make prove-fakes`."""
