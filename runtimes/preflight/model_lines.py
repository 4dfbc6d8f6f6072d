"""Lines about the model itself, and about what runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from common.messages import advise, render
from models_app.models import ServedModel
from runtimes.checks.docker import gpu_advice, may_have_gpus
from runtimes.checks.finding import Finding, error, ok, warning
from runtimes.drivers.base import Driver, DriverError
from runtimes.equipment import Findings
from runtimes.frameworks.base import Contents, Framework
from runtimes.installations import discovery
from runtimes.library.scanner.words import count_words, size_words
from runtimes.ports import Forecast
from runtimes.preflight.permissions import unreadable
from runtimes.preflight.subjects import subject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """troubles: subjects that have problems."""

    model: ServedModel
    driver: Driver
    rules: Framework
    seen: Findings
    forecast: Forecast
    troubles: Collection[str] = ()

    def with_troubles(self, troubles: Collection[str]) -> Asked:
        return dataclasses.replace(self, troubles=troubles)

    @property
    def place(self) -> str:
        """Path or id of the model; empty: none that can be used."""
        wrong = [p for p in self.seen.problems if subject_of(p) == "config"]
        fields = {problem.field for problem in wrong}
        config = self.model.config
        key = self.rules.model_key
        return (
            str(config[key]) if key in config and f"config.{key}" not in fields else ""
        )

    @property
    def is_local(self) -> bool:
        return self.model.driver == discovery.LOCAL_DRIVER


Look = Callable[[Asked], Finding | None]


def config(asked: Asked) -> Finding:
    most = asked.seen.contents.context if asked.seen.contents else 0
    key = asked.rules.context_key
    if most and asked.model.config.get(key, 0) > most:
        return _too_long(asked, key, most)
    words = _("Settings: %(count)s, all of them known and within their limits.")
    return ok("config", words % {"count": len(asked.model.config)})


def _too_long(asked: Asked, key: str, most: int) -> Finding:
    """A warning only: positions can be stretched, by arguments of the engine's own."""
    shown = {"key": key, "value": asked.model.config[key], "most": most}
    words = _("%(key)s is %(value)s, but the model was made for %(most)s tokens.")
    advice = _("Set %(key)s to %(most)s or less: beyond, answers get worse.")
    if asked.rules.context_is_limited:
        advice = _(
            "Set %(key)s to %(most)s or less: the engine does not start with more."
        )
    return warning("config", words % shown, advice % shown)


def path(asked: Asked) -> Finding | None:
    contents = asked.seen.contents
    if contents:
        return _found(asked, contents)
    if "config" in asked.troubles or not asked.place:
        return None
    if asked.place.startswith("/") or asked.seen.config:
        return ok("path", asked.place)
    message = _("%(model)s is downloaded when it is started.")
    advice = _("Download it first: then it is known that all of it is there.")
    return warning("path", message % {"model": asked.place}, advice)


def _found(asked: Asked, contents: Contents) -> Finding:
    where = str(
        (asked.seen.config or {}).get(asked.rules.model_key) or contents.paths[0]
    )
    if not asked.is_local and not asked.place.startswith("/"):
        message = _("%(model)s is on this machine, where containers do not see it.")
        advice = _("Give the folder of the model, in one of: %(roots)s.") % {
            "roots": ", ".join(map(str, settings.MODEL_ROOTS))
        }
        return warning("path", message % {"model": asked.place}, advice)
    files = _("files: %(count)s") % {"count": len(contents.paths)}
    return ok("path", f"{where}: {size_words(contents.bytes)}, {files}")


def permission(asked: Asked) -> Finding | None:
    contents, user = asked.seen.contents, asked.driver.engine_user
    if contents is None:
        return None
    if user is None:
        return ok("permission", _("The platform can read it."))
    shown = {"user": ":".join(map(str, user))}
    closed = unreadable(contents.paths, settings.MODEL_ROOTS, user)
    if closed is None:
        return ok("permission", _("User %(user)s of the engine can read it.") % shown)
    return warning(
        "permission",
        _("%(path)s is closed to user %(user)s of the engine.")
        % {"path": closed, **shown},
        _("Run: chmod -R a+rX %(path)s") % {"path": closed},
    )


def format_(asked: Asked) -> Finding | None:
    contents = asked.seen.contents
    return ok("format", ", ".join(_features(contents))) if contents else None


def _features(contents: Contents) -> Iterator[str]:
    yield ", ".join(contents.architectures) or "?"
    if contents.parameters:
        yield _("%(count)s parameters") % {"count": count_words(contents.parameters)}
    if contents.context:
        shown = {"tokens": f"{contents.context:,}"}
        yield _("%(tokens)s tokens of context") % shown
    if contents.quantisation:
        yield contents.quantisation


def architecture(asked: Asked) -> Finding | None:
    contents, engine = asked.seen.contents, asked.seen.engine
    if contents is None or "engine" in asked.troubles:
        return None
    names = ", ".join(contents.architectures)
    if not names:
        message = _("The model does not say what architecture it has.")
        return warning("architecture", message, advise("no_weights", {}))
    if engine and asked.seen.knows:
        words = _("%(engine)s knows %(name)s.")
        return ok("architecture", words % {"engine": engine.title, "name": names})
    message = _("Whether %(name)s is known to the engine shows when it is started.") % {
        "name": names
    }
    if engine is None:
        return ok("architecture", message)
    advice = _("Start it, and read its log if it fails.")
    return warning("architecture", message, advice)


def engine(asked: Asked) -> Finding | None:
    found = asked.seen.engine
    if not asked.is_local:
        return ok("engine", _("It comes with the image."))
    if found is None:
        return None
    message = f"{found.title}, {found.accelerator}, {found.program}"
    if asked.model.gpu_count and found.accelerator == "cpu":
        advice = _("Install an engine for GPUs, or ask for none.")
        words = _("It was built for the processor, and would leave its GPUs idle.")
        return warning("engine", f"{message}. {words}", advice)
    return ok("engine", message)


def image(asked: Asked) -> Finding:
    engine = ""
    if "config" not in asked.troubles:
        engine = asked.rules.engine(asked.model.config, asked.model.gpu_count)
    try:
        name = asked.driver.image(asked.model.framework, engine)
        without_gpus = asked.model.gpu_count and not may_have_gpus(asked.driver)
    except DriverError as missing:
        words = render(missing.code, missing.params)
        return error("image", words, advise(missing.code, missing.params))
    if without_gpus:
        words = _("Its containers cannot have GPUs.")
        return error("image", f"{name}. {words}", gpu_advice())
    return ok("image", name or _("None: the engine is a process of this machine."))


LOOKS: Mapping[str, Look] = {
    "config": config,
    "path": path,
    "permission": permission,
    "format": format_,
    "architecture": architecture,
    "engine": engine,
    "image": image,
}
