"""Exemptions from the daily upload limits: asked for by one operator, approved by another."""
