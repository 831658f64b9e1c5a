"""What stands between the network and the application: deadlines, limits, keys, budgets.

Everything here is decided before a body is read, or while it is; nothing here knows a job.
"""
