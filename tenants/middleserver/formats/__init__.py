"""Codes, XML and messages as they stand on the wire: what everything else of the middle server reads and writes."""
