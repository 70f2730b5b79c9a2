"""Making tenants in the database, with keys and credentials, and renewing what they log in with."""
