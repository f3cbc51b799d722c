"""What request bodies may look like. One file per resource: a function loads those that it reads, and no others."""
