"""The dispatcher: takes images, answers with tickets, and carries jobs through their pipelines.

It never decodes pixels and loads no model: it knows a replica only by ``step_app.contract``.
The rooms and what each may import are drawn in ARCHITECTURE.md and kept by import-linter.
"""
