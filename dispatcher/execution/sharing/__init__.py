"""Chunks of one picture computed by several dispatchers: who carries the job, and who helps.

What is known together is on the board of ``dispatcher.chunks``; backends are never known here.
"""
