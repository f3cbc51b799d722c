"""The registrar: reads a batch of commands, plans, commits and reports what was decided."""
