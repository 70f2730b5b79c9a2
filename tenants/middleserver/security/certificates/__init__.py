"""The organisations' signing and encryption certificates, replaced without losing a conversation."""
