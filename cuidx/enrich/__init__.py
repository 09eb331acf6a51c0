"""From what formats read to what users see: times, identity, addresses, leases."""
