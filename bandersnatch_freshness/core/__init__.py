"""The core: decides what is stale, what to ask next and what to remember. No I/O, no clock, no log."""
