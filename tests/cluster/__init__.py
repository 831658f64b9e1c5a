"""Several real dispatchers over real servers: what they promise together, whatever fails."""
