"""llama.cpp's /metrics, which do not contain the usage of its KV cache."""

from __future__ import annotations

from runtimes.frameworks.metrics import (
    EngineMetrics,
    first_of,
    found_in,
    samples,
    total,
)

SAMPLES = samples(
    "llamacpp:",
    (
        "requests_processing",
        "requests_deferred",
        "kv_cache_usage_ratio",  # until 2025
        "prompt_tokens_total",
        "prompt_tokens_cached_total",
        "tokens_predicted_total",
        "n_decode_total",
    ),
)


def read(text: str) -> EngineMetrics | None:
    found = found_in(text, SAMPLES)
    if not found:
        return None
    processed = first_of(found, "prompt_tokens_total")
    cached = first_of(found, "prompt_tokens_cached_total")
    generated = first_of(found, "tokens_predicted_total")
    prompt = total(processed, cached)
    return EngineMetrics(
        engine_requests_running=first_of(found, "requests_processing"),
        engine_requests_waiting=first_of(found, "requests_deferred"),
        kv_cache_usage=first_of(found, "kv_cache_usage_ratio"),
        engine_prompt_tokens=prompt,
        engine_generated_tokens=generated,
        prefix_cache_queries=None if cached is None else prompt,
        prefix_cache_hits=cached,
        # Tokens are only counted when a request ends; decoded batches as they come.
        progress=total(first_of(found, "n_decode_total"), prompt, generated),
    )
