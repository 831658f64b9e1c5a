"""Which replicas should run, and making it so.

``configmap`` is the record of a step and ``discovery`` turns records into pipelines and pools;
``revisions`` says what they do not. ``admin`` takes clients' wishes: ``blueprint`` says which
records a pipeline needs, ``capacity`` and ``model_files`` what is allowed, ``status`` what is told
back. ``autoscaler`` decides how many replicas a load wants, and ``scaling_loop`` has it done. A
launcher acts: ``local`` runs ``local_pipeline``s of ``step_processes``, each made of single
replicas (``process``); ``kubernetes`` has a cluster run them.
"""
