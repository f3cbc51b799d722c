"""Browse dead letters, describe them, replay them in order, or discard them."""
