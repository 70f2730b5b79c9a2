"""Periodic and queued work: one leader fires what is due, any number of workers run it, each run once."""
