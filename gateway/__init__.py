"""Inference gateway.

A request passes through app (routing), auth, protocol.validation, a dialect (native,
OpenAI or Anthropic) and relay to an engine. The response returns through relay,
protocol.assembly unless it is streamed, and the dialect's translator. routes holds the
routing table that all of this reads from memory; limits admits requests or makes them
wait; usage counts requests and tokens; cache repeats answers.
"""
