"""The HTTP servers of the two ports, with limits on what a client can make them hold
before the application has seen its request."""
