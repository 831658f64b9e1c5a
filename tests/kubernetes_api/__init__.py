"""A stand-in for a Kubernetes cluster: its API over HTTPS, its controllers and its kubelet.

Stateful and strict like the real one, as far as the product speaks to it; ``cluster`` is the door.
Only tests live here and use it.
"""
