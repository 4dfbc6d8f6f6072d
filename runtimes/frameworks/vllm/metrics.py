"""vLLM's /metrics, by its names of 0.33 and those it had before."""

from __future__ import annotations

from runtimes.frameworks.metrics import (
    EngineMetrics,
    first_of,
    found_in,
    samples,
    total,
)

KV_CACHE_USAGE = ("kv_cache_usage_perc", "gpu_cache_usage_perc")
QUERIES = ("prefix_cache_queries_total", "gpu_prefix_cache_queries_total")
HITS = ("prefix_cache_hits_total", "gpu_prefix_cache_hits_total")
SAMPLES = samples(
    "vllm:",
    (
        "num_requests_running",
        "num_requests_waiting",
        *KV_CACHE_USAGE,
        "prompt_tokens_total",
        "generation_tokens_total",
        *QUERIES,
        *HITS,
        # A histogram, for all its name: how many steps the engine has made.
        "iteration_tokens_total_count",
    ),
)


def read(text: str) -> EngineMetrics | None:
    found = found_in(text, SAMPLES)
    if not found:
        return None
    prompt = first_of(found, "prompt_tokens_total")
    generated = first_of(found, "generation_tokens_total")
    steps = first_of(found, "iteration_tokens_total_count")
    return EngineMetrics(
        engine_requests_running=first_of(found, "num_requests_running"),
        engine_requests_waiting=first_of(found, "num_requests_waiting"),
        # "perc" is a share of 1. The fullest part is the one that makes others wait.
        kv_cache_usage=first_of(found, *KV_CACHE_USAGE, among=max),
        engine_prompt_tokens=prompt,
        engine_generated_tokens=generated,
        prefix_cache_queries=first_of(found, *QUERIES),
        prefix_cache_hits=first_of(found, *HITS),
        progress=total(steps, prompt, generated),
    )
