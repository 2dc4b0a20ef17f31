"""Real caches, in front of a lab that is their origin: Varnish, nginx and Squid, each a process of its own."""
