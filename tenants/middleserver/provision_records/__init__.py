"""Provision records (情報提供等記録): what was asked and answered, kept by both sides and compared with the network."""
