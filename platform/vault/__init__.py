"""Keys: envelope encryption of personal content, blind indexes, signing, masking, tenants' credentials."""
