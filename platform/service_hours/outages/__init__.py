"""Planned outages: announced stops with exception windows, planned and cancelled by operators."""
