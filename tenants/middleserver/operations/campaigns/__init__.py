"""Campaigns of a revision: what has to be registered until the linkage starts, by whom, in which nights."""
