"""Dead letters: looked at without being taken, told in words, sent back in order, thrown away."""
