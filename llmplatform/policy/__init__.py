"""One policy in front of the gateway, the websockets and Django, on both ports.

One module per concern: a layer takes an ASGI application and returns one that refuses
requests or changes responses. llmplatform.policy.stack lists them, outermost first.
"""
