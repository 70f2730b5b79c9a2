"""Provisions (情報提供): requests of other organisations, answered from the copies by themselves or by staff."""
