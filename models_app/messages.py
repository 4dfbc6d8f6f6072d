"""Messages of the platform's codes."""

from django.utils.translation import gettext_lazy as _

from common.messages import register, register_choices
from models_app.download_messages import DOWNLOADS
from models_app.enums import Operation, Status

MESSAGES = DOWNLOADS | {
    # why a model waits or is in error
    "insufficient_cpu": _(
        "Needs %(needed)s CPU cores; %(node)s has %(free)s of %(total)s free."
    ),
    "insufficient_memory": _(
        "Needs %(needed)s MiB of memory; %(node)s has %(free)s of %(total)s MiB free."
    ),
    "insufficient_gpus": _(
        "Needs %(needed)s GPUs with %(mib)s MiB free each; %(node)s has %(free)s such"
        " GPUs of %(total)s."
    ),
    "making_room": _("Room is being made on %(node)s."),
    "no_free_port": _("Models on %(node)s have all ports from %(first)s to %(last)s."),
    "no_node": _("No machine is known yet. Is the monitor role running?"),
    "retrying": _(
        "%(cause)s Attempt %(attempt)s of %(limit)s follows after %(seconds)s s."
    ),
    "gave_up": _("%(cause)s Gave up after %(attempt)s attempts; see the log."),
    "not_retried": _("%(cause)s Not retried: it would fail again."),
    "no_gpu_has_more": _(
        "%(cause)s %(mib)s MiB were free on its GPU, and no GPU here can have more."
        " Lower n_ctx, n_parallel or n_gpu_layers, use a smaller quantisation, or"
        " spread it over more GPUs."
    ),
    # why a run ended
    "stopped": _("Stopped on request."),
    "restarted": _("Stopped to be restarted."),
    "scaled_down": _("Stopped because fewer replicas are wanted."),
    "preempted": _("Stopped to make room for %(by)s."),
    "gpu_drained": _("Stopped because one of its GPUs is being drained."),
    "bad_config": _("The engine refused its configuration or model file."),
    "bad_argument": _("The engine does not take one of its arguments."),
    "model_file_damaged": _("The model's files are damaged or incomplete."),
    "config_refused": _("The configuration does not fit. %(cause)s"),
    "model_file_missing": _("The model file %(path)s is missing or unreadable."),
    "model_file_broken": _("The model file cannot be used. %(cause)s"),
    "out_of_gpu_memory": _("The engine ran out of GPU memory."),
    "out_of_memory": _("The engine ran out of memory."),
    "port_in_use": _("The engine's port was taken by another process."),
    "gpu_lost": _("A GPU of this run was lost."),
    "gpu_unhealthy": _("One of its GPUs no longer works as it should."),
    "engine_missing": _(
        "The engine %(engine)s is not installed here. Installed: %(installed)s. To"
        " install it: %(command)s"
    ),
    "engine_broken": _("The engine's installation is broken. Install it again."),
    "driver_mismatch": _(
        "The GPU driver of this machine is too old for the engine. Upgrade the driver."
    ),
    "gpu_unsupported": _("The engine's build cannot use the GPU of this machine."),
    "hub_offline": _(
        "%(model)s is not on this machine, and downloads are not allowed here. Give the"
        " folder of a model, or allow downloads with ENGINE_DOWNLOADS=1."
    ),
    "unknown_architecture": _(
        "The engine does not know this kind of model. Use a newer version of the engine"
        " or another model."
    ),
    "needs_remote_code": _(
        "The model brings code of its own, which only an administrator may allow:"
        " trust_remote_code."
    ),
    "kv_cache_too_small": _(
        "The memory it is given leaves too little for the model's context. Lower"
        " max_model_len or give it more memory."
    ),
    "killed": _("The engine was killed from outside."),
    "crashed": _("The engine ended unexpectedly."),
    "hang": _("The engine stopped making progress."),
    "start_timeout": _("The engine was not ready within %(seconds)s s."),
    "launch_failed": _("The engine could not be started: %(detail)s"),
    "image_missing": _(
        "The image %(image)s is not on this machine. Pull it on the page “Engines” or"
        " with manage.py pull_engine_image, or load it with docker load or docker"
        " build; then start the model again."
    ),
    "pull_failed": _("The image %(image)s could not be pulled: %(detail)s"),
    "pull_interrupted": _("The process that pulled it was ended. Pull it again."),
    "pull_exists": _("%(image)s is being pulled already."),
    "pull_is_over": _("The pull of %(image)s is over."),
    "image_asked": _("The image %(image)s was asked for."),
    "image_done": _("The image %(image)s was pulled."),
    "image_failed": _("The image %(image)s was not pulled."),
    "image_cancelled": _("The pull of the image %(image)s was cancelled."),
    "no_such_image": _("No image is named for %(value)s; allowed: %(allowed)s."),
    "docker_unavailable": _(
        "The Docker daemon at %(socket)s cannot be used: %(detail)s."
    ),
    "engine_unseen": _(
        "Its driver %(driver)s cannot see its engines now; they are taken to run on."
    ),
    "removed_outside": _("Its container was removed from outside."),
    "launch_lost": _("The engine was never started: its launcher was interrupted."),
    "node_rebooted": _("The machine was restarted."),
    # why a GPU takes no models
    "gpu_unreachable": _("The driver no longer reaches it."),
    "gpu_needs_reset": _("It reported XID %(xid)s: it has to be reset."),
    "gpu_needs_reboot": _("It reported XID %(xid)s: the machine has to be restarted."),
    # what would let a waiting model start
    "help_stop": _("Stop %(model)s (priority %(priority)s)"),
    "help_priority": _("Raise the priority to %(to)s, above %(model)s"),
    "help_n_ctx": _("Lower n_ctx from %(from)s to %(to)s"),
    # what is wrong with an input
    "unknown_key": _("Unknown key %(key)s. Allowed: %(allowed)s."),
    "unknown_key_nearest": _("Unknown key %(key)s. Did you mean %(nearest)s?"),
    "missing_key": _("%(key)s is required."),
    "wrong_type": _("%(key)s is %(value)s; needed: %(expected)s."),
    "out_of_range": _("%(key)s is %(value)s; allowed: %(min)s to %(max)s."),
    "not_allowed": _("%(key)s may not be set. Allowed: %(allowed)s."),
    "file_missing": _("There is no file %(path)s."),
    "file_unreadable": _("The file %(path)s cannot be read by the platform."),
    "not_a_file": _("%(path)s is not a file."),
    "path_outside_roots": _(
        "%(path)s is outside the model folders. Allowed: %(roots)s."
    ),
    "not_gguf": _("%(path)s is not a GGUF file."),
    "lfs_pointer": _(
        "%(path)s is only a pointer of Git LFS: its content was not fetched."
    ),
    "not_a_folder": _("%(path)s is not a folder."),
    "bad_model_config": _("%(path)s is not a JSON object of up to %(max)s bytes."),
    "no_weights": _("%(path)s holds no weights: no file named %(expected)s."),
    "gpus_disagree": _(
        "tensor_parallel_size is %(value)s, but the model is given %(gpus)s GPUs."
    ),
    "engine_and_gpus": _(
        "%(engine)s does not fit %(gpus)s GPUs: vllm needs one or more, vllm-cpu none."
    ),
    "heads_indivisible": _(
        "The model's %(heads)s attention heads cannot be shared among %(value)s GPUs."
    ),
    "not_with_engine": _(
        "%(key)s cannot be set with the engine %(engine)s. It can with: %(others)s."
    ),
    "use_measured": _(
        "Estimated %(estimated)s MiB, measured %(measured)s MiB: use what was measured."
    ),
    "no_estimate": _(
        "The files of %(model)s are not on this machine: how much memory it takes is"
        " not known."
    ),
    "gguf_truncated": _(
        "%(path)s is cut short: it ends at byte %(size)s, in what begins at %(at)s."
    ),
    "gguf_broken": _("The header of %(path)s is broken at byte %(at)s: %(what)s."),
    "gguf_value": _("%(path)s says that %(key)s is %(value)s, which cannot be."),
    "gguf_lacks": _("%(path)s does not say what its %(key)s is."),
    "model_config_value": _(
        "%(path)s says that %(key)s is %(value)s, which cannot be."
    ),
    "model_config_lacks": _("%(path)s does not say what its %(key)s is."),
    "gguf_not_first": _("%(path)s is not the first of its parts. That is %(first)s."),
    "gguf_not_a_model": _(
        "%(path)s is no model by itself: it says of itself %(kind)s."
    ),
    "weights_truncated": _("%(path)s is smaller than the weights it should hold."),
    "architecture_unknown": _(
        "%(engine)s does not know models of the architecture %(architecture)s."
    ),
    # what a scan of the model folders leaves out
    "folder_missing": _("There is no folder %(path)s."),
    "folder_unreadable": _("The folder %(path)s cannot be read by the platform."),
    "link_outside": _("%(path)s is a link that leads out of the model folders."),
    "folders_too_deep": _(
        "Folders in %(path)s are left out: only %(max)s levels are read."
    ),
    "scan_cut": _(
        "The scan ended in %(path)s, after %(entries)s files and folders: what comes"
        " after is left out. Scan again to go on, or use smaller model folders."
    ),
    "unknown_gpu": _("There is no GPU %(value)s. Allowed: %(allowed)s."),
    "unknown_framework": _("Unknown framework %(value)s. Allowed: %(allowed)s."),
    "unknown_driver": _("Unknown driver %(value)s. Allowed: %(allowed)s."),
    "duplicate_name": _("The name %(value)s is taken by another model."),
    "name_reserved": _("The name %(value)s is the platform's own. Choose another."),
    "unknown_field": _("Unknown field %(key)s. Allowed: %(allowed)s."),
    "unknown_field_nearest": _("Unknown field %(key)s. Did you mean %(nearest)s?"),
    "gpu_memory_without_gpus": _(
        "%(value)s MiB of GPU memory need a GPU, but gpu_count is 0."
    ),
    "config_too_large": _(
        "The configuration has %(value)s bytes; allowed: up to %(max)s."
    ),
    "too_deep": _("%(key)s is nested too deeply; allowed: %(max)s levels."),
    "not_storable": _(
        "%(key)s holds a NUL, a broken character or a number that is not finite."
    ),
    "admin_only": _("Only administrators may set %(key)s."),
    "no_such_model": _("There is no model %(value)s."),
    "no_such_run": _("Model %(model)s has no run %(value)s."),
    "too_many_logs": _(
        "Logs followed at once: up to %(max)s. End one of yours, or try again later."
    ),
    "search_too_long": _(
        "The search has %(value)s characters; allowed: up to %(max)s."
    ),
    "unknown_metric": _("There is no metric %(value)s. Allowed: %(allowed)s."),
    "unknown_metric_nearest": _(
        "There is no metric %(value)s. Did you mean %(nearest)s?"
    ),
    "unknown_source": _("Nothing is known of %(value)s. There are: %(allowed)s."),
    "unknown_source_nearest": _(
        "Nothing is known of %(value)s. Did you mean %(nearest)s?"
    ),
    "aggregate_not_possible": _(
        "%(value)s is not possible for %(metric)s. Allowed: %(allowed)s."
    ),
    "too_many_points": _(
        "This would be %(value)s points; allowed: up to %(max)s. Use a step of at least"
        " %(step)s seconds."
    ),
    "bad_time": _(
        "%(value)s is no time. Use a date such as 2024-01-31, or"
        " 2024-01-31T12:00:00+08:00."
    ),
    "end_before_start": _("The end %(end)s is not after the start %(start)s."),
    "range_too_long": _("%(value)s days are too long; allowed: up to %(max)s."),
    "unknown_range": _("Unknown range %(value)s. Allowed: %(allowed)s."),
    "range_and_times": _("Give range, or start_time and end_time, not all of them."),
    "bad_step": _("%(value)s is no step. Use seconds, in tens, or one of %(allowed)s."),
    "unknown_aggregate": _("Unknown aggregate %(value)s. Allowed: %(allowed)s."),
    "unknown_format": _("Unknown format %(value)s. Allowed: %(allowed)s."),
    "export_too_large": _(
        "This export would have some %(value)s rows; allowed: up to %(max)s. Use fewer"
        " metrics, a shorter time or a wider step."
    ),
    "export_needs_background": _(
        "Excel files of more than %(max)s rows, here some %(value)s, are made in the"
        " background: POST /api/monitoring/exports."
    ),
    "too_many_exports": _(
        "Exports at once: up to %(max)s. Wait until one of yours is done."
    ),
    "no_such_export": _("There is no export %(value)s, or it is over."),
    "export_has_no_file": _("Export %(value)s has no file yet, or no more."),
    "unknown_user": _("There is no user %(value)s. There are: %(allowed)s."),
    "inactive_user": _("User %(value)s is not active: no token of theirs would work."),
    "duplicate_token": _("User %(user)s has a token named %(value)s already."),
    "token_restricted": _("This token is restricted to: %(allowed)s."),
    # what is wrong with a request as a whole
    "request_too_large": _("The request has more than the allowed %(max)s bytes."),
    "no_such_path": _("There is nothing at %(value)s."),
    "bad_request": _("The request is not one this server takes; see its Host header."),
    "internal_error": _("Something went wrong here. The platform's log says what."),
    # what is not possible now
    "operation_not_allowed": _(
        "Model %(model)s is %(status)s: %(operation)s is not allowed. Allowed:"
        " %(allowed)s."
    ),
    "conflict": _("Model %(model)s was changed by somebody else. Try again."),
    # what happened: the activity feed
    "model_created": _("Model %(model)s was added."),
    "model_updated": _("Model %(model)s was changed: %(fields)s."),
    "model_deleted": _("Model %(model)s was deleted."),
    "start_requested": _("Start of %(model)s was requested."),
    "stop_requested": _("Stop of %(model)s was requested."),
    "restart_requested": _("Restart of %(model)s was requested."),
    "status_changed": _("%(model)s: %(old)s → %(new)s."),
    "run_scheduled": _("%(model)s was placed on %(node)s."),
    "run_started": _("The engine of %(model)s was started on %(node)s."),
    "run_ready": _("%(model)s is ready on %(node)s."),
    "run_stopping": _("The engine of %(model)s is being stopped."),
    "run_ended": _("The engine of %(model)s ended."),
    "gpu_is_lost": _("GPU %(gpu)s is lost: the driver no longer reaches it."),
    "gpu_is_back": _("GPU %(gpu)s is back."),
    "gpu_is_unhealthy": _("GPU %(gpu)s takes no models until it is healthy again."),
    "gpu_is_healthy": _("GPU %(gpu)s is healthy again."),
    "gpus_unreadable": _(
        "The GPUs of %(node)s cannot be read: %(detail)s. Models go on running; after a"
        " driver upgrade, restart the machine."
    ),
    "gpus_readable": _("The GPUs of %(node)s can be read again."),
    "engines_unseen": _(
        "Engines of the driver %(driver)s on %(node)s cannot be seen; they are taken"
        " to run on: %(models)s."
    ),
    "engines_seen": _("Engines of the driver %(driver)s on %(node)s are seen again."),
    "engine_reaped": _("A leftover engine without a run (%(uid)s) was killed."),
    "gpu_mode_open": _("GPU %(gpu)s takes models again."),
    "gpu_mode_excluded": _("GPU %(gpu)s takes no more models."),
    "gpu_mode_drained": _("GPU %(gpu)s is being drained: its models leave."),
    "history_paused": _(
        "Measurements are no longer kept: %(free)s MiB are free in the data folder,"
        " %(needed)s MiB are needed."
    ),
    "history_resumed": _("Measurements are kept again: %(free)s MiB are free."),
    "token_created": _("API token %(name)s was created for %(user)s."),
    "token_deleted": _("API token %(name)s of %(user)s was deleted."),
}

register(MESSAGES)
# Parameters of these messages that are codes with labels of their own
register_choices(
    ("operation_not_allowed", "status_changed"),
    {
        "status": Status,
        "old": Status,
        "new": Status,
        "operation": Operation,
        "allowed": Operation,
    },
)
