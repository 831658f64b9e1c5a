"""Real servers for the tests: RabbitMQ, Redis and an S3 server as ordinary processes."""
