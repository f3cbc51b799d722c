"""The supply chain: what is installed, in which exact bytes; what is known against it; what it is made of."""
