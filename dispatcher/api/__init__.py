"""The wire contract: one file per resource, guards before them, problem+json for every error.

Handlers translate between HTTP and the rooms below; no decision about a job is made here.
"""
