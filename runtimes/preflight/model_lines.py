"""Lines about the model itself, and about what runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from common.enums import ModelKind
from common.messages import advise, render
from models_app.models import ServedModel
from runtimes.checks.docker import gpu_advice, may_have_gpus
from runtimes.checks.finding import Finding, error, ok, warning
from runtimes.drivers.base import Driver, DriverError
from runtimes.frameworks.base import Contents, Framework
from runtimes.inspection import Inspection
from runtimes.installations import discovery
from runtimes.library.scanner.units import format_bytes, format_count
from runtimes.ports import Forecast
from runtimes.preflight.permissions import unreadable
from runtimes.preflight.subjects import subject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """problems: subjects that have problems."""

    model: ServedModel
    driver: Driver
    rules: Framework
    inspection: Inspection
    forecast: Forecast
    problems: Collection[str] = ()

    def with_problems(self, problems: Collection[str]) -> Candidate:
        return dataclasses.replace(self, problems=problems)

    @property
    def place(self) -> str:
        """Path or id of the model; empty: none that can be used."""
        wrong = [p for p in self.inspection.problems if subject_of(p) == "config"]
        fields = {problem.field for problem in wrong}
        config = self.model.config
        key = self.rules.model_key
        return (
            str(config[key]) if key in config and f"config.{key}" not in fields else ""
        )

    @property
    def is_local(self) -> bool:
        return self.model.driver == discovery.LOCAL_DRIVER


Line = Callable[[Candidate], Finding | None]


def config(candidate: Candidate) -> Finding:
    most = candidate.inspection.contents.context if candidate.inspection.contents else 0
    key = candidate.rules.context_key
    if most and candidate.model.config.get(key, 0) > most:
        return _too_long(candidate, key, most)
    text = _("Settings: %(count)s, all valid.")
    return ok("config", text % {"count": len(candidate.model.config)})


def _too_long(candidate: Candidate, key: str, most: int) -> Finding:
    """A warning only: positions can be stretched, by arguments of the engine's own."""
    params = {"key": key, "value": candidate.model.config[key], "most": most}
    text = _("%(key)s is %(value)s, but the model supports %(most)s tokens.")
    advice = _("Set %(key)s to %(most)s or less. Above that, answers get worse.")
    if candidate.rules.context_is_limited:
        advice = _(
            "Set %(key)s to %(most)s or less; the engine does not start with more."
        )
    return warning("config", text % params, advice % params)


def path(candidate: Candidate) -> Finding | None:
    contents = candidate.inspection.contents
    if contents:
        return _found(candidate, contents)
    if "config" in candidate.problems or not candidate.place:
        return None
    if candidate.place.startswith("/") or candidate.inspection.config:
        return ok("path", candidate.place)
    message = _("%(model)s will be downloaded at the start.")
    advice = _("Download it first to make sure that it is complete.")
    return warning("path", message % {"model": candidate.place}, advice)


def _found(candidate: Candidate, contents: Contents) -> Finding:
    config = candidate.inspection.config or {}
    where = str(config.get(candidate.rules.model_key) or contents.paths[0])
    if not candidate.is_local and not candidate.place.startswith("/"):
        message = _(
            "%(model)s is in a folder of this machine that containers cannot access."
        )
        advice = _("Enter the folder of the model, in one of: %(roots)s.") % {
            "roots": ", ".join(map(str, settings.MODEL_ROOTS))
        }
        return warning("path", message % {"model": candidate.place}, advice)
    files = _("files: %(count)s") % {"count": len(contents.paths)}
    return ok("path", f"{where}: {format_bytes(contents.bytes)}, {files}")


def permission(candidate: Candidate) -> Finding | None:
    contents, user = candidate.inspection.contents, candidate.driver.engine_user
    if contents is None:
        return None
    if user is None:
        return ok("permission", _("The platform can read it."))
    params = {"user": ":".join(map(str, user))}
    closed = unreadable(contents.paths, settings.MODEL_ROOTS, user)
    if closed is None:
        return ok("permission", _("The engine's user %(user)s can read it.") % params)
    return warning(
        "permission",
        _("User %(user)s of the engine cannot read %(path)s.")
        % {"path": closed, **params},
        _("Run: chmod -R a+rX %(path)s") % {"path": closed},
    )


def format_(candidate: Candidate) -> Finding | None:
    contents = candidate.inspection.contents
    return ok("format", ", ".join(_features(contents))) if contents else None


def _features(contents: Contents) -> Iterator[str]:
    yield ", ".join(contents.architectures) or "?"
    if contents.parameters:
        yield _("%(count)s parameters") % {"count": format_count(contents.parameters)}
    if contents.context:
        params = {"tokens": f"{contents.context:,}"}
        yield _("%(tokens)s tokens of context") % params
    if contents.quantisation:
        yield contents.quantisation
    if contents.kind is ModelKind.EMBEDDING:
        yield _("embedding model")


def architecture(candidate: Candidate) -> Finding | None:
    contents, engine = candidate.inspection.contents, candidate.inspection.engine
    if contents is None or "engine" in candidate.problems:
        return None
    names = ", ".join(contents.architectures)
    if not names:
        message = _("The model does not state its architecture.")
        return warning("architecture", message, advise("no_weights", {}))
    if engine and candidate.inspection.knows:
        text = _("%(engine)s supports %(name)s.")
        return ok("architecture", text % {"engine": engine.title, "name": names})
    message = _(
        "Whether the engine supports %(name)s is only known once it starts."
    ) % {"name": names}
    if engine is None:
        return ok("architecture", message)
    advice = _("Start it, and read its log if it fails.")
    return warning("architecture", message, advice)


def engine(candidate: Candidate) -> Finding | None:
    found = candidate.inspection.engine
    if not candidate.is_local:
        return ok("engine", _("The image includes the engine."))
    if found is None:
        return None
    message = f"{found.title}, {found.accelerator}, {found.program}"
    if candidate.model.gpu_count and found.accelerator == "cpu":
        advice = _(
            "Install an engine with GPU support, or set the number of GPUs to 0."
        )
        text = _("It was built for the CPU and would leave the GPUs idle.")
        return warning("engine", f"{message}. {text}", advice)
    return ok("engine", message)


def image(candidate: Candidate) -> Finding:
    engine = ""
    if "config" not in candidate.problems:
        model = candidate.model
        engine = candidate.rules.engine(model.config, model.gpu_count)
    try:
        name = candidate.driver.image(candidate.model.framework, engine)
        without_gpus = candidate.model.gpu_count and not may_have_gpus(candidate.driver)
    except DriverError as missing:
        message = render(missing.code, missing.params)
        return error("image", message, advise(missing.code, missing.params))
    if without_gpus:
        text = _("Its containers cannot use GPUs.")
        return error("image", f"{name}. {text}", gpu_advice())
    return ok(
        "image", name or _("Not needed: the engine is a process of this machine.")
    )


LINES: Mapping[str, Line] = {
    "config": config,
    "path": path,
    "permission": permission,
    "format": format_,
    "architecture": architecture,
    "engine": engine,
    "image": image,
}
