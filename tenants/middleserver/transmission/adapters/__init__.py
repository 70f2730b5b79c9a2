"""The way to the national network as it is in earnest."""
