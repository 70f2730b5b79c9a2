"""The tenants' schemas: how they are declared, rendered once, and released to group by group."""
