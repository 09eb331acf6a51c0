"""cuidx: tells reused IP addresses in container logs apart."""
