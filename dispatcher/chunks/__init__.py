"""Chunks of one picture for several dispatchers: offered, taken, kept and told of.

What a chunk is computed by is not known here, and nothing here decides whether a job is lost: an
offer, or what came of it, may vanish at any time, and whoever carries the job computes it then.
"""
