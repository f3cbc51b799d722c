"""Proves that the conditions in the tables alone keep the rules: `make prove-races`."""
