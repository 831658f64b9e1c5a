"""The load tester: replays a schedule of images per second against a service and reports.

A stranger that speaks HTTP only: it never imports the dispatcher or a step. A replay retries
nothing and lets no slow service slow its sending, unless --max-workers holds images back, which
is counted and told; a closed loop does both, as it was asked to. Deciding (plan, figures) is pure;
acting (engine, targets, generator) is thin.
"""
