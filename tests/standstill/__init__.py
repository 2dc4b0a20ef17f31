"""Every way in which a mirror can stand still: what is said of it, by whom and when, in simulated time."""
