"""The `turnstile` command line: brings the stack up locally, and looks after a deployment.

`main` finds the commands in `commands`, one module for each. What takes several modules more is in a package beside
them: `local` (up, down, token), `verify`, `dlq`, `reconcile`; what takes one is `board` (top) and `story` (trace). The
other modules here serve several commands.
"""
