"""A whole cluster on one machine, for those who try it: RabbitMQ, Redis, and several dispatchers.

All of it is ordinary processes that end with the one that started them. Nothing here is used where
containers or Kubernetes run the same.
"""
