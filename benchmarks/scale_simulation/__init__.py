"""What Conveyor does at rates that one machine never sees: a simulation, and a plan from it.

The simulation (SimPy) is checked against the real service; the plan is arithmetic over measured
costs, and ``docs/scale.md`` is written from it. Nothing here is imported by the product.
"""
