"""Whom a run speaks to: one file per kind of service, behind one small Protocol.

A target sends one image and waits for one answer; it never retries, and never decides when.
"""
