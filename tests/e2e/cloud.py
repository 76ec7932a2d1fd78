"""A local cloud for a test: a strict ministack on a free port, its clients, its trace, its logs."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

try:
    import botocore.session
except ImportError as error:
    raise ImportError(
        "botocore is missing: run `make tools`, and this file with the python of .tools/venv"
    ) from error

ACCOUNT = "111122223333"
REGION = "eu-west-1"
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10
LOG_LINES_SHOWN = 60

LAUNCHER = Path(__file__).parent / "strict_ministack.py"


class Cloud:
    """Everything that it writes is below `directory`, which is emptied at the start."""

    def __init__(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        self.directory = directory
        self.temporary = directory / "tmp"
        self.temporary.mkdir(parents=True)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._trace = directory / "trace.jsonl"
        self._output = directory / "ministack.log"
        self._session = botocore.session.Session()
        self._process = self._start()
        self._wait_until_ready()

    def environment(self) -> dict[str, str]:
        """What a client needs to reach this cloud, and nothing by which it could reach another."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.temporary),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        return self._session.create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def trace(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._trace.read_text().splitlines()]

    def log_lines(self) -> list[str]:
        """Every line that any function has logged, oldest first."""
        logs = self.client("logs")
        paginator = logs.get_paginator("filter_log_events")
        events = [
            event
            for group in logs.describe_log_groups()["logGroups"]
            for page in paginator.paginate(logGroupName=group["logGroupName"])
            for event in page["events"]
        ]
        events.sort(key=lambda event: event["timestamp"])
        return [event["message"].rstrip() for event in events]

    def print_diagnosis(self) -> None:
        """Shows a person what the functions said last, or what the server did if it is gone."""
        if self._process.poll() is None:
            print_section("the functions' log", self.log_lines())
        print_section(str(self._trace), self._trace.read_text().splitlines())
        print_section(str(self._output), self._output.read_text(errors="replace").splitlines())

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(LAUNCHER), "--with-parent"]
        command += ["--port", str(self.port), "--trace", str(self._trace)]
        environment = {
            **self.environment(),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
        }
        with self._output.open("wb") as output:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=1).close()
                return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(
            f"ministack did not start; it said:\n{self._output.read_text(errors='replace')}"
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def print_section(title: str, lines: list[str]) -> None:
    heading = f"\n--- the end of {title} ---"
    print(heading, *lines[-LOG_LINES_SHOWN:], sep="\n", file=sys.stderr, flush=True)
