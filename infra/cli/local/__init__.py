"""The stack on this machine: the emulator, the CDK's deployment into it, its files, tokens for its callers."""
