"""The container images: what they install, and how they are built."""
