"""From an upload to an accepted job or a polite refusal.

Reads bodies, digests, looks up the cache, joins identical work and admits. It never runs a job.
"""
