"""How much a token, a user, a group or a model may take.

rules and counters are the pure core; shared counts in the broker, so that all processes
together are exact; admission is what a request passes through.
"""
