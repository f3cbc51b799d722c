"""The proofs. `docs/testing.md` says what each folder proves and what it cannot."""
