"""The load tester: replays a schedule of images per second against a service and reports.

A stranger that speaks HTTP only: it never imports the dispatcher or a step, never retries what
was refused, and never lets a slow service slow its own sending. Deciding (schedule, answers,
latency, summary) is pure; acting (pacing, client, polling, runner) is thin.
"""
