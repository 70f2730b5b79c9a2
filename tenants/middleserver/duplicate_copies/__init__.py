"""Duplicate copies (副本): uploaded in pieces, checked item by item, registered at night, found and removed."""
