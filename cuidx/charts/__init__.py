"""Charts: lifetimes on address lanes, whose lines an address has, what has to be read."""
