"""The users resource: create, read and erase people."""
