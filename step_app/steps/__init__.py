"""The step types, one file each: pure functions from decoded images to outputs.

No HTTP, no queue and no configuration parsing lives here; ``registry`` is the only place that
knows all types by name.
"""
