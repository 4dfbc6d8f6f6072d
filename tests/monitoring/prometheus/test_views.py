import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models_app.tokens.lifecycle import create_token
from monitoring.metrics import METRICS
from monitoring.models import Bucket10s
from monitoring.prometheus.names import family, in_base_unit
from tests.api import client_of
from tests.builders import a_model, a_node, a_user
from tests.monitoring.history.rows import a_bucket, a_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer():
    return client_of(a_user("viewer"))


def samples(client, **headers) -> dict:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in text_string_to_metric_families(answer.content.decode())
        for sample in metric.samples
    }


def now_10s() -> int:
    return int(time.time()) // 10 * 10 - 10


def test_empty_installation_has_a_version_and_no_models(viewer):
    found = samples(viewer)
    assert found["llmplatform_build_info", (("version", "0.1.0"),)] == 1
    assert found["llmplatform_models", (("status", "running"),)] == 0


def test_gpus_and_machines_are_in_base_units(viewer):
    a_node(gpus=[1000])
    values = {
        "gpu_utilization": [50, 50, 500, 10],
        "gpu_memory_used": [100, 300, 2000, 10],
        "gpu_clock_sm": [1000, 1000, 10_000, 10],
        "gpu_health_events": [0, 1, 2, 10],
    }
    gpu = a_source("gpu", "GPU-here-0", node="here", metrics=list(values))
    a_bucket(Bucket10s, gpu, now_10s(), values)
    host = a_source("host", "here", metrics=["cpu_utilization", "disk_read_bytes"])
    read = {"cpu_utilization": [1, 99, 305, 10], "disk_read_bytes": [0, 9, 4096, 10]}
    a_bucket(Bucket10s, host, now_10s(), read)
    found = samples(viewer)
    of_gpu = (("gpu", "0"), ("node", "here"), ("uuid", "GPU-here-0"))
    of_host = (("node", "here"),)
    assert found["llmplatform_gpu_utilization_ratio", of_gpu] == 0.5
    assert found["llmplatform_gpu_memory_used_bytes", of_gpu] == 200 * 2**20
    assert found["llmplatform_gpu_clock_sm_hertz", of_gpu] == 1e9
    assert found["llmplatform_gpu_health_events_total", of_gpu] == 2
    assert found["llmplatform_gpu_healthy", of_gpu] == 1
    assert found["llmplatform_host_cpu_utilization_ratio", of_host] == 0.305
    assert found["llmplatform_host_disk_read_bytes_total", of_host] == 4096
    assert found["llmplatform_node_seen_timestamp_seconds", of_host] > 1e9
    assert not any("gpu_power" in name for name, _ in found)


def test_models_have_counters_and_histograms(viewer):
    model = a_model("smol")
    values = {
        "requests": [0, 3, 7, 10],
        "kv_cache_usage": [0.25, 0.25, 2.5, 10],
        "engine_generated_tokens": [0, 50, 321, 10],
        "response_time": {"sum": 1.5, "counts": {"0": 1, "12": 4, "29": 2}},
    }
    source = a_source("model", str(model.pk), metrics=list(values))
    a_bucket(Bucket10s, source, now_10s(), values)
    found = samples(viewer)
    of = (("id", str(model.pk)), ("model", "smol"))
    name = "llmplatform_model_response_time_seconds"
    assert found["llmplatform_model_requests_total", of] == 7
    assert found["llmplatform_model_kv_cache_usage_ratio", of] == 0.25
    assert found["llmplatform_model_engine_generated_tokens_total", of] == 321
    assert found[f"{name}_count", of] == 7
    assert found[f"{name}_sum", of] == 1.5
    buckets = {dict(k)["le"]: v for (n, k), v in found.items() if n == f"{name}_bucket"}
    assert (buckets["0.001"], buckets["0.1"], buckets["+Inf"]) == (1, 1, 7)
    assert sorted(buckets.values()) == [1] * 12 + [5] * 17 + [7]


def test_deleted_models_are_left_out(viewer):
    source = a_source("model", "7", metrics=["requests"])
    a_bucket(Bucket10s, source, now_10s(), {"requests": [1, 1, 1, 1]})
    assert not any("requests" in name for name, _ in samples(viewer))


def test_names_are_unique_and_have_their_unit_once():
    names = [family(metric) for metric in METRICS.values()]
    assert len(set(names)) == len(names)
    assert all(name.count("_bytes") <= 1 for name in names)
    assert all(name.count("_seconds") <= 1 for name in names)
    assert in_base_unit(METRICS["cpu_utilization"], 30) == 0.3


def test_openmetrics_on_request(viewer):
    answer = viewer.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.endswith(b"# EOF\n")


# who may


def scraper(user, scopes=("metrics",)):
    client = client_of()
    _, token = create_token(user, "prometheus", scopes=scopes)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.mark.parametrize(
    ("group", "scopes", "status"),
    [
        ("viewer", ["metrics"], 200),
        ("viewer", [], 200),
        ("", ["metrics"], 403),
        ("", [], 403),
    ],
)
def test_token_has_the_permissions_of_its_user(group, scopes, status):
    assert scraper(a_user(group), scopes).get("/metrics").status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/api/models",
        "/api/monitoring/metrics",
        "/api/system/gpu",
        "/api/scheduling/queue",
    ],
)
def test_restricted_token_allows_nothing_else(path):
    assert scraper(a_user("admin")).get(path).status_code == 403


@pytest.mark.parametrize(
    ("networks", "peer", "headers", "status"),
    [
        ([], "127.0.0.1", {}, 401),
        (["127.0.0.1/32"], "127.0.0.1", {}, 200),
        (["10.1.0.0/16"], "10.1.2.3", {}, 200),
        (["10.1.0.0/16"], "10.2.2.3", {}, 401),
        (["10.1.0.0/16"], "::ffff:10.1.2.3", {}, 200),
        (["fd00::/8"], "fd00::1%eth0", {}, 200),
        (["0.0.0.0/0"], "::1", {}, 401),
        (["0.0.0.0/0"], "", {}, 401),
        (["127.0.0.1/32"], "127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, 401),
        (["127.0.0.1/32"], "127.0.0.1", {"Forwarded": "for=8.8.8.8"}, 401),
        (["127.0.0.1/32"], "127.0.0.1", {"Authorization": "Bearer bad"}, 401),
    ],
)
def test_networks(settings, networks, peer, headers, status):
    settings.METRICS_NETWORKS = networks
    answer = client_of().get("/metrics", REMOTE_ADDR=peer, headers=headers)
    assert answer.status_code == status
