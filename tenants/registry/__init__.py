"""Who the organisations are: codes, kinds, lifecycle, successors, population, people, delegations."""
