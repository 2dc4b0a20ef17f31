"""Outside: what users of a mirror get, asked for from any host as pip asks for it."""
