"""The `turnstile` command line: run the stack locally, and operate deployments.

`main` finds the commands in `commands`, one module each. The code of a larger command is in a package of its own:
`dlq`, `local` (up, down), `preflight`, `reconcile`, `top`, `trace`, `verify`. The other modules here are shared.
"""
