from models_app.models import Run
from runtimes.registry import driver


def tail(run: Run, max_bytes: int = 65536) -> str:
    """End of the run's log; what was kept with the row once its files are gone."""
    return driver(run.driver).tail(run.uid, max_bytes) or run.log_tail
