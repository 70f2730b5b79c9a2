"""What existing systems of organisations reach: who they are, what they may, and the one way in."""
