"""One module per command of the command line; `infra.cli.main` finds them here."""
