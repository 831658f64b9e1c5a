"""The wire contract between a dispatcher and a step replica: what both sides must agree on.

Standard library only, and the only part of ``step_app`` that the dispatcher imports.
"""
