"""Pages that are made from the code: the diagram of how a registration moves, and the code's own documentation."""
