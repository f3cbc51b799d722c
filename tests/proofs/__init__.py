"""Long proofs, each with a make target of its own, and samples of them for `make test`."""
