"""The keepers of keys: an HSM through PKCS#11, or a file in development."""
