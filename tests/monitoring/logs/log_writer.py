"""A run whose log a test writes, as the shim does."""

from django.conf import settings

from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import end
from runtimes.shim import RotatingLog
from tests.builders import a_run, a_wanted_model


class LogWriter:
    """The log is rotated after half of max_bytes."""

    def __init__(self, state=RunState.READY, max_bytes=1 << 24, **fields):
        self.run = a_run(a_wanted_model(), state, **fields)
        folder = settings.RUNS_DIR / self.run.uid
        folder.mkdir(parents=True)
        self.log = RotatingLog(str(folder / "engine.log"), max_bytes)

    @property
    def uid(self):
        return self.run.uid

    def write_lines(self, *lines):
        self.write("".join(f"{line}\n" for line in lines).encode())

    def write(self, data):
        self.log.write(data)
        self.log.close()

    def end(self, code="crashed", params=None, **left):
        end(Run.objects.get(pk=self.run.pk), code, params, **left)
