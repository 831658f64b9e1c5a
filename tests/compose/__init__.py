"""docker-compose.yml and the files that it mounts, each read by the server that it is for."""
