"""The night batch, what it leaves to be seen, retention, and the items that are not provided."""
