import pytest

from runtimes.frameworks.llamacpp import metrics as llamacpp_metrics
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.frameworks.vllm import metrics as vllm_metrics

LLAMA = """# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 30
llamacpp:prompt_tokens_cached_total 10
llamacpp:tokens_predicted_total 500
llamacpp:tokens_predicted_seconds_total 7.5
llamacpp:n_decode_total 123
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
"""
OLD_LLAMA = """llamacpp:prompt_tokens_total 30
llamacpp:tokens_predicted_total 500
llamacpp:kv_cache_usage_ratio 0.25
"""
LABELS = '{engine="%d",model_name="a } b"}'
VLLM = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{one} 3.0
vllm:num_requests_running{two} 1.0
vllm:num_requests_waiting{one} 0.0
vllm:num_requests_waiting{two} 5.0
vllm:num_requests_waiting_by_reason{one} 7.0
vllm:kv_cache_usage_perc{one} 0.5
vllm:kv_cache_usage_perc{two} 0.75
vllm:prompt_tokens_total{one} 1e+06
vllm:prompt_tokens_created{one} 1.7e+09
vllm:generation_tokens_total{one} 40.0
vllm:prefix_cache_queries_total{one} 100.0
vllm:prefix_cache_hits_total{one} 60.0
vllm:external_prefix_cache_hits_total{one} 60.0
vllm:iteration_tokens_total_bucket{{le="1.0"}} 8.0
vllm:iteration_tokens_total_count{one} 9.0
vllm:iteration_tokens_total_sum{one} 99.0
""".format(one=LABELS % 0, two=LABELS % 1)
OLD_VLLM = """vllm:gpu_cache_usage_perc{model_name="m"} 0.1
vllm:gpu_prefix_cache_queries_total{model_name="m"} 8.0
vllm:gpu_prefix_cache_hits_total{model_name="m"} 4.0
vllm:prompt_tokens_total{model_name="m"} 2.0
vllm:generation_tokens_total{model_name="m"} 3.0
"""


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (
            llamacpp_metrics.read,
            LLAMA,
            EngineMetrics(
                engine_requests_running=2,
                engine_requests_waiting=1,
                engine_prompt_tokens=40,
                engine_generated_tokens=500,
                prefix_cache_queries=40,
                prefix_cache_hits=10,
                progress=663,
            ),
        ),
        (
            llamacpp_metrics.read,
            OLD_LLAMA,
            EngineMetrics(
                kv_cache_usage=0.25,
                engine_prompt_tokens=30,
                engine_generated_tokens=500,
                progress=530,
            ),
        ),
        (
            vllm_metrics.read,
            VLLM,
            EngineMetrics(
                engine_requests_running=4,
                engine_requests_waiting=5,
                kv_cache_usage=0.75,
                engine_prompt_tokens=1e6,
                engine_generated_tokens=40,
                prefix_cache_queries=100,
                prefix_cache_hits=60,
                progress=1_000_049,
            ),
        ),
        (
            vllm_metrics.read,
            OLD_VLLM,
            EngineMetrics(
                kv_cache_usage=0.1,
                engine_prompt_tokens=2,
                engine_generated_tokens=3,
                prefix_cache_queries=8,
                prefix_cache_hits=4,
                progress=5,
            ),
        ),
    ],
    ids=["llama.cpp", "older llama.cpp", "vLLM", "older vLLM"],
)
def test_metrics_are_read_under_our_names(read, text, expected):
    assert read(text) == expected


@pytest.mark.parametrize("read", [llamacpp_metrics.read, vllm_metrics.read])
@pytest.mark.parametrize("text", ["", '{"error":{"code":503}}', "up 1\n"])
def test_text_of_another_kind_is_no_metrics(read, text):
    assert read(text) is None


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf", "x"])
def test_what_is_no_number_is_not_reported(number):
    expected = vllm_metrics.read(
        f"vllm:num_requests_running {number}\nvllm:num_requests_waiting 1\n"
    )
    assert expected == EngineMetrics(engine_requests_waiting=1)
    assert expected.in_flight is None


def test_a_name_never_counts_twice_when_old_and_new_are_both_reported():
    expected = vllm_metrics.read(OLD_VLLM + VLLM)
    assert expected.prefix_cache_queries == 100


def test_progress_grows_with_each_decoded_batch():
    later = LLAMA.replace("n_decode_total 123", "n_decode_total 124")
    assert llamacpp_metrics.read(later).progress > llamacpp_metrics.read(LLAMA).progress
