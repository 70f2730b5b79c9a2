"""Service hours: what is open at an instant, when that changes, and the stops that are planned."""
