"""Recount registrations, compare the ledgers with them, repair the ledgers, and finish interrupted erasures."""
