"""Measures, never decides: metrics, logs and the figures of ``/status``.

Nothing here may change what happens to a job.
"""
