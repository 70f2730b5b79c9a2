"""The audit trail: hash chains that only grow, seals over them, and the programs that verify them."""
