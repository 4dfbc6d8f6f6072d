"""A real engine and a client of it."""

import dataclasses
import http.client
import json
import socket
import time
from pathlib import Path

from django.conf import settings

from common.network.sockets import socket_of
from runtimes.drivers.base import Bounds
from runtimes.frameworks.base import Placement
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from tests.engine_http import connection_to
from tests.runtimes.processes import a_uid, ended

LLAMA = LlamaCpp()
KEY = "sesame-key"


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Engine:
    def __init__(
        self, driver, config, port=None, wrap=(), rules=LLAMA, program="", memory_mib=0
    ):
        """wrap: what is put before the command, such as a shell that sets limits."""
        self.driver, self.config, self.rules = driver, config, rules
        self.uid = a_uid()
        self.socket = ""
        if not driver.engine_host:
            self.socket = str(socket_of(driver.runs_dir, self.uid))
        self.port = 0 if self.socket else port or a_free_port()
        placement = Placement(
            socket=self.socket,
            port=self.port,
            api_key=KEY,
            model_name="smol",
            cpu_cores=1,
            program=program,
            host=driver.engine_host,
        )
        command = rules.command(config, placement)
        command = dataclasses.replace(command, argv=(*wrap, *command.argv))
        bounds = Bounds(
            framework=rules.name,
            program=program,
            readable=(Path(str(config[rules.model_key])).parent, settings.ENGINES_DIR),
            port=self.port,
            memory_mib=memory_mib,
        )
        self.handle = driver.start(self.uid, command, bounds)

    def connection(self):
        return connection_to(self.socket, self.port)

    def request(self, method, path, body=None, key=KEY):
        connection = self.send(method, path, body, key)
        try:
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def send(self, method, path, body=None, key=KEY):
        """The connection, from which nothing has been read."""
        connection = self.connection()
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        data = body if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, headers)
        except BaseException:
            connection.close()
            raise
        return connection

    def chat(self, text, **options):
        messages = [{"role": "user", "content": text}]
        body = {"model": "smol", "messages": messages, **options}
        return self.request("POST", "/v1/chat/completions", body)

    def health(self):
        """A status, or None while nobody listens."""
        try:
            return self.request("GET", self.rules.ready_path(self.config))[0]
        except (ConnectionError, FileNotFoundError, http.client.RemoteDisconnected):
            return None

    def wait_until_ready(self):
        """Statuses seen on the way."""
        seen = []
        while self.driver.observe(self.handle).alive:
            status = self.health()
            if status not in seen:
                seen.append(status)
            if status == 200:
                return seen
            time.sleep(0.005)
        raise AssertionError(self.log())

    def in_flight(self):
        path = self.rules.idle_path(self.config)
        return self.rules.in_flight(self.request("GET", path)[1])

    def log(self):
        return self.driver.tail(self.uid)

    def end_reason(self):
        exit = ended(self.driver, self.handle)
        return self.rules.end_reason(exit, self.log())
