"""The national network as the platform meets it: masters, linkage codes, certificates, and faults on demand.

Start it with ``python -m chukan_simulators.national_network --directory DIR``; it prints one JSON line when it is
ready. Its protocol is docs/interfaces/national-network.md; what else it can do stands in its README.
"""
