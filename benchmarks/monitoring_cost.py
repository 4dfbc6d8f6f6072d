"""Processor time of the monitor role with 8 GPUs and 10 engines, beside that of glances
and nvitop that look at the same machine once a second, in the same minute.

GPUs are those of the tests' NVML library; engines answer /metrics as llama.cpp does.
The peers are taken from PATH or PEERS, a virtual environment with both; what is not
installed is reported and left out.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.installation import Installation  # noqa: E402 -- needs the path

SECONDS = 30
GPUS = 8
ENGINES = 10
LIMIT = 3.0
ENGINE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
NAMES = ("prompt_tokens_total", "prompt_tokens_cached_total", "n_decode_total",
    "tokens_predicted_total", "requests_processing", "requests_deferred",
    "prompt_seconds_total", "tokens_predicted_seconds_total", "n_tokens_max",
    "prompt_tokens_seconds", "predicted_tokens_seconds", "n_busy_slots_per_decode")
class Handler(BaseHTTPRequestHandler):
    requests = 0
    def do_GET(self):
        Handler.requests += 1
        lines = [f"# HELP llamacpp:{n} Of something.\\n# TYPE llamacpp:{n} counter\\n"
            f"llamacpp:{n} {1 if 'requests' in n else Handler.requests}" for n in NAMES]
        body = "\\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
RUNS = f"""
import sys
from django.utils import timezone
from common import clock
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from runtimes.frameworks.base import Command
from runtimes.registry import driver
for n in range({ENGINES}):
    model = ServedModel.objects.create(
        name=f"m{{n}}", desired_state="running", status="running", generation=1)
    run = Run.objects.create(
        model=model, generation=1, framework="llama.cpp", driver="process",
        node="here", port=21900 + n, cpu_cores=1, memory_mib=0,
        boot_id=clock.boot_id(), state=RunState.STARTING)
    argv = (sys.executable, "-S", "-c", {ENGINE!r}, str(run.port))
    handle = driver("process").start(run.uid, Command(argv=argv, env={{}}, stdin=""))
    Run.objects.filter(pk=run.pk).update(
        state=RunState.READY, ready_at=timezone.now(), handle=handle.to_json())
"""
NVITOP = """
import time
from nvitop import ResourceMetricCollector
collector = ResourceMetricCollector(interval=1)
with collector(tag="all"):
    while True:
        collector.collect()
        time.sleep(1)
"""


def fake_nvml(folder: Path) -> dict[str, str]:
    """Environment in which libnvidia-ml.so.1 is the tests' own."""
    library, source = folder / "libnvidia-ml.so.1", ROOT / "tests/fakes/nvml.c"
    name = "-Wl,-soname,libnvidia-ml.so.1"
    command = ["cc", "-shared", "-fPIC", name, "-o", library, source]
    subprocess.run(command, check=True)
    values = (
        "name=Fake\ttotal=81920\tfree=40000\tutilization=50\tmemory_utilization=20"
        "\ttemperature=60\tpower=300\tpower_limit=700\tclock_sm=1980\tclock_memory=2600"
    )
    lines = [f"uuid=GPU-{n:04}\t{values}" for n in range(GPUS)]
    state = folder / "nvml.state"
    state.write_text("\n".join(["0", *lines]) + "\n")
    return {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML_STATE": str(state)}


def peers() -> dict[str, list[str]]:
    home = Path(os.environ.get("PEERS", sys.prefix)) / "bin"
    fields = "cpu,load,mem,memswap,fs,diskio,network,gpu"
    wanted = {
        "glances": [str(home / "glances"), "-t", "1", "--stdout", fields],
        "nvitop": [str(home / "python"), "-c", NVITOP],
    }
    for name in list(wanted):
        if not (home / name).exists():
            print(f"  {name}: not installed in {home}, left out")
            del wanted[name]
    return wanted


def processor_seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    times = [one.cpu_times() for one in family]
    return sum(t.user + t.system for t in times)


def measured(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Percent of a core, by name."""
    before = {name: processor_seconds(one) for name, one in processes.items()}
    began = time.monotonic()
    time.sleep(SECONDS)
    passed = time.monotonic() - began
    return {
        name: 100 * (processor_seconds(one) - before[name]) / passed
        for name, one in processes.items()
    }


def main() -> None:
    with Installation(LOG_LEVEL="ERROR") as site:
        site.env.update(fake_nvml(site.data_dir))
        site.python(RUNS)
        site.start_process("monitor", [sys.executable, "manage.py", "run_monitor"])
        others = {
            name: subprocess.Popen(
                argv, env=site.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for name, argv in peers().items()
        }
        time.sleep(10)
        watched = {"monitor": site.roles["monitor"], **others}
        shares = measured({n: psutil.Process(one.pid) for n, one in watched.items()})
        for other in others.values():
            other.kill()
            other.wait()
        alive = site.rows("select * from models_app_run where state = 'ready'")
        gpus = site.rows("select * from runtimes_gpu where present")
        print(f"  {len(gpus)} GPUs, {len(alive)} engines, {SECONDS} s:")
        for name, share in shares.items():
            print(f"  {name}: {share:.2f} % of a core")
        result = "met" if shares["monitor"] <= LIMIT else "missed"
        print(f"  at most {LIMIT:g} %: {result}")


if __name__ == "__main__":
    main()
