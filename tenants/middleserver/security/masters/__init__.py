"""Masters: organisations, affairs, layouts and permissions, as the national network distributes them."""
