"""What a browser sends of a model's form in which the configuration was entered."""

import json


def filled(config) -> dict:
    return {
        "name": "smol", "framework": "llama.cpp", "driver": "process", "replicas": 1,
        "config": json.dumps(config), "initial-config": "{}", "priority": 5,
        "gpu_count": 0, "gpu_memory_mib": 0, "memory_mib": 0, "cache_ttl_s": 0,
        "force": "on",
    }  # fmt: skip
