"""Topology in a Kubernetes cluster: what exists there, and making it so.

Only ``access`` speaks with the API server. What must never live here: routing, and anything that
blocks the event loop.
"""
