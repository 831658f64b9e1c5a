"""The live replicas of each step, and who gets the next item.

``routing`` and ``health`` decide, ``pool`` and ``monitor`` act. Which replicas should exist is
decided in ``topology``.
"""
