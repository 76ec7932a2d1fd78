"""Runs ministack with CloudFormation's contract for custom resources, and traces what is said.

ministack is a forgiving CloudFormation: it calls the function once, waits for it, and takes
whatever comes back. This launcher replaces that part of it, in process, before the server starts:

* A request is an asynchronous invocation, which Lambda repeats with the same event after an error.
* ServiceTimeout counts from the moment of sending, whether or not the function still runs.
* The response URL looks like a presigned one; its PUT is refused where S3 would refuse it.
* An answer that breaks the protocol fails the resource. The first answer to a request counts.
* A resource whose Create failed gets a Delete when the stack rolls back.

Each line of the trace is a JSON object: a `request` as it was sent, a `response` as it was
received, or a `timeout`. The response URL, which is a credential, is the one thing left out of it.

Usage: strict_ministack.py --port 4566 --trace trace.jsonl
"""

import argparse
import importlib
import importlib.metadata
import inspect
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

PINNED_VERSION = "1.5.33"

ANSWER_PATH = "/tablewright-e2e-answers/"
ANSWER_BYTES_MAX = 4096
PHYSICAL_ID_BYTES_MAX = 1024
SERVICE_TIMEOUT_SECONDS_MAX = 3600
URL_LIFETIME_SECONDS = 7200

CUSTOM_RESOURCE = "ministack.services.cloudformation.custom_resource"
STACKS = "ministack.services.cloudformation.stacks"
LAMBDA = "ministack.services.lambda_svc"

# What is called or replaced inside ministack, with its parameters. None of it is public.
HOOKS = (
    ("ministack.app", "app", "scope receive send"),
    ("ministack.app", "main", ""),
    (
        CUSTOM_RESOURCE,
        "invoke_custom_resource",
        "request_type logical_id props stack_name stack_id resource_type physical_id old_props",
    ),
    (CUSTOM_RESOURCE, "_normalise_resource_properties", "value"),
    (STACKS, "_roll_back_operation", "stack_name stack_id stack operation reason_override"),
    (LAMBDA, "_get_func_record_for_ref", "function_ref"),
    (LAMBDA, "_execution_record_for_config", "func config"),
    (LAMBDA, "invoke_async_with_retry", "func event"),
)

Json = dict[str, Any]


def main() -> None:
    options = parse_options()
    if options.with_parent:
        stop_when_stdin_closes()
    configure_environment(options.port)
    check_hooks()
    install(Trace(options.trace))
    # ministack reads the command line too, and knows none of these options.
    sys.argv = sys.argv[:1]
    importlib.import_module("ministack.app").main()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="ministack with CloudFormation's custom-resource contract"
    )
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument(
        "--trace", type=Path, required=True, help="the file to append requests and answers to"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="stop as soon as standard input closes"
    )
    return parser.parse_args()


def stop_when_stdin_closes() -> None:
    """Ends the server with the process at the other end of its input, however that one ends."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def configure_environment(port: int) -> None:
    """Sets what ministack reads while it is imported, and what its functions inherit from it."""
    os.environ["BIND_HOST"] = "127.0.0.1"
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ.setdefault("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    # What lets tablewright answer to this address belongs to the place, not to the template.
    os.environ.setdefault("TABLEWRIGHT_RESPONSE_HOSTS", "127.0.0.1")


def check_hooks() -> None:
    """Ends the process with a clear message unless the internals are the ones that are known."""
    version = importlib.metadata.version("ministack")
    if version != PINNED_VERSION:
        sys.exit(
            f"strict_ministack.py changes the internals of ministack {PINNED_VERSION}, and this is "
            f"{version}: install tests/e2e/requirements.txt with `make tools`"
        )
    for module, name, parameters in HOOKS:
        hook = getattr(importlib.import_module(module), name, None)
        if not callable(hook) or list(inspect.signature(hook).parameters) != parameters.split():
            sys.exit(
                f"ministack {PINNED_VERSION} should have {module}.{name} with the parameters "
                f"({parameters}), and this installation has not: remove .tools and run `make tools`"
            )


def install(trace: "Trace") -> None:
    """Puts this file's behaviour in the place of ministack's."""
    app = importlib.import_module("ministack.app")
    custom_resource = importlib.import_module(CUSTOM_RESOURCE)
    stacks = importlib.import_module(STACKS)
    resources = CustomResources(trace, os.environ["AWS_ENDPOINT_URL"])
    app.app = answer_endpoint(app.app, resources)
    custom_resource.invoke_custom_resource = resources.send
    stacks._roll_back_operation = resources.with_failed_creates(stacks._roll_back_operation)


class Trace:
    """Appends events to a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"at_ms": int(time.time() * 1000), "kind": kind, **fields})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()


@dataclass
class Exchange:
    """One request, and the answer that it waits for."""

    event: Json
    answer: Json | None = None
    problem: str | None = None
    is_open: bool = True
    answered: threading.Event = field(default_factory=threading.Event)

    def failure(self) -> str | None:
        """Why the resource fails, in words close to CloudFormation's own; None if it does not."""
        request_id = self.event["RequestId"]
        if self.answer is None:
            return (
                "CloudFormation did not receive a response from your Custom Resource. "
                f"Please check your logs for requestId [{request_id}]."
            )
        if self.problem:
            return self.problem
        if self.answer["Status"] == "FAILED":
            return (
                "Received response status [FAILED] from custom resource. "
                f"Message returned: {self.answer['Reason']} (RequestId: {request_id})"
            )
        return None

    def physical_id(self) -> str:
        """The id that the function chose, or the one that CloudFormation makes up for it."""
        chosen = (self.answer or {}).get("PhysicalResourceId")
        if isinstance(chosen, str) and chosen:
            return chosen
        stack_name = self.event["StackId"].split("/")[1]
        return f"{stack_name}-{self.event['LogicalResourceId']}-{self.event['RequestId'][:8]}"


class CustomResources:
    """Sends requests to the functions behind custom resources, and receives their answers."""

    def __init__(self, trace: Trace, endpoint: str) -> None:
        self._trace = trace
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._exchanges: dict[str, Exchange] = {}
        self._failed_creates: dict[tuple[str, str], Json] = {}

    def send(
        self,
        request_type: str,
        logical_id: str,
        props: Json,
        stack_name: str,
        stack_id: str,
        resource_type: str,
        physical_id: str | None = None,
        old_props: Json | None = None,
    ) -> tuple[str, Json]:
        """Stands in for `invoke_custom_resource`: returns physical id and attributes, or raises."""
        event = request_event(
            request_type, logical_id, props, stack_id, resource_type, physical_id, old_props
        )
        exchange = self._open(event)
        self._trace.write("request", event={**event, "ResponseURL": "redacted"})
        invoke_asynchronously(props["ServiceToken"], event)
        exchange.answered.wait(service_timeout_seconds(props))
        self._close(exchange)
        failure = exchange.failure()
        if failure is None:
            return exchange.physical_id(), exchange.answer.get("Data") or {}
        if request_type == "Create":
            self._failed_creates[stack_id, logical_id] = failed_resource(
                exchange, resource_type, props
            )
        raise RuntimeError(failure)

    def receive(self, put: "Put") -> tuple[int, str]:
        """Takes a PUT to a response URL; returns the status and the error code of S3's answer."""
        with self._lock:
            exchange = self._exchanges.get(put.target)
            status, code = put.verdict(exchange is not None)
            counts = status == 200 and exchange.is_open
            if counts:
                exchange.is_open = False
                exchange.answer, exchange.problem = parse_answer(exchange.event, put.body)
        self._trace.write(
            "response",
            request_id=exchange.event["RequestId"] if exchange else None,
            status=status,
            error=code,
            counts=counts,
            size=len(put.body),
            content_type=put.headers.get("content-type", ""),
            problem=exchange.problem if counts else None,
            body=json_or_text(put.body),
        )
        if counts:
            # After the trace, so that whoever sees the stack go on finds the reason there.
            exchange.answered.set()
        return status, code

    def with_failed_creates(
        self, roll_back: Callable[..., Awaitable[None]]
    ) -> Callable[..., Awaitable[None]]:
        """Wraps the rollback of a stack: it also deletes the resource whose Create failed."""

        async def rolling_back(
            stack_name: str, stack_id: str, stack: Json, operation: Json, reason_override: str = ""
        ) -> None:
            logical_id = operation.get("failed_logical_id")
            resource = self._failed_creates.pop((stack_id, logical_id), None)
            if resource is not None:
                stack.setdefault("_resources", {})[logical_id] = resource
                operation = {**operation, "created": [*operation.get("created", []), logical_id]}
            await roll_back(stack_name, stack_id, stack, operation, reason_override)

        return rolling_back

    def _open(self, event: Json) -> Exchange:
        """Gives the request its response URL, and keeps the exchange for the answer to find."""
        target = response_target(event)
        event["ResponseURL"] = self._endpoint + target
        exchange = Exchange(event)
        with self._lock:
            self._exchanges[target] = exchange
        return exchange

    def _close(self, exchange: Exchange) -> None:
        """Ends the time in which an answer counts."""
        with self._lock:
            expired = exchange.is_open
            exchange.is_open = False
        if expired:
            self._trace.write("timeout", request_id=exchange.event["RequestId"])


def request_event(
    request_type: str,
    logical_id: str,
    props: Json,
    stack_id: str,
    resource_type: str,
    physical_id: str | None,
    old_props: Json | None,
) -> Json:
    """The event as CloudFormation writes it, but for the response URL."""
    as_strings = importlib.import_module(CUSTOM_RESOURCE)._normalise_resource_properties
    event = {
        "RequestType": request_type,
        "ServiceToken": props["ServiceToken"],
        "StackId": stack_id,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": logical_id,
        "ResourceType": resource_type,
        "ResourceProperties": as_strings(props),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = as_strings(old_props)
    return event


def response_target(event: Json) -> str:
    """The path and query of a URL that is as easily damaged as a presigned one."""
    key = quote(f"{event['StackId']}|{event['LogicalResourceId']}|{event['RequestId']}", safe="/")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    region = event["StackId"].split(":")[3]
    query = urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": date,
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Expires": URL_LIFETIME_SECONDS,
            "X-Amz-Credential": f"AKIAIOSFODNN7EXAMPLE/{date[:8]}/{region}/s3/aws4_request",
            "X-Amz-Signature": uuid.uuid4().hex * 2,
        }
    )
    return f"{ANSWER_PATH}{key}?{query}"


def invoke_asynchronously(service_token: str, event: Json) -> None:
    functions = importlib.import_module(LAMBDA)
    record, config, _ = functions._get_func_record_for_ref(service_token)
    if record is None or config is None:
        raise ValueError(f"Invalid ServiceToken: there is no function {service_token}")
    functions.invoke_async_with_retry(functions._execution_record_for_config(record, config), event)


def service_timeout_seconds(props: Json) -> int:
    return min(
        int(props.get("ServiceTimeout", SERVICE_TIMEOUT_SECONDS_MAX)), SERVICE_TIMEOUT_SECONDS_MAX
    )


def failed_resource(exchange: Exchange, resource_type: str, props: Json) -> Json:
    """The record that ministack would have kept of the resource, had its Create succeeded."""
    return {
        "PhysicalResourceId": exchange.physical_id(),
        "LogicalResourceId": exchange.event["LogicalResourceId"],
        "ResourceType": resource_type,
        "ResourceStatus": "CREATE_FAILED",
        "Properties": props,
        "Attributes": {},
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def parse_answer(event: Json, body: bytes) -> tuple[Json, str | None]:
    """The answer, and what is wrong with it."""
    if len(body) > ANSWER_BYTES_MAX:
        return {}, "Response object is too long."
    answer = json_or_text(body)
    if not isinstance(answer, dict):
        return {}, "Invalid Response object: it is not a JSON object"
    return answer, answer_problem(event, answer)


def answer_problem(event: Json, answer: Json) -> str | None:
    for name in ("StackId", "RequestId", "LogicalResourceId"):
        if answer.get(name) != event[name]:
            return f"Invalid Response object: Value of property {name} must be {event[name]}"
    if answer.get("Status") not in ("SUCCESS", "FAILED"):
        return "Invalid Response object: Value of property Status must be SUCCESS or FAILED"
    physical_id = answer.get("PhysicalResourceId")
    if (
        not isinstance(physical_id, str)
        or not 1 <= len(physical_id.encode()) <= PHYSICAL_ID_BYTES_MAX
    ):
        return "Invalid PhysicalResourceId"
    if "Reason" in answer and not isinstance(answer["Reason"], str):
        return "Invalid Response object: Value of property Reason must be of type String"
    if answer["Status"] == "FAILED" and not answer.get("Reason"):
        return "Invalid Response object: Reason is required when Status is FAILED"
    if not isinstance(answer.get("Data", {}), dict):
        return "Invalid Response object: Value of property Data must be of type Object"
    return None


def json_or_text(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@dataclass(frozen=True)
class Put:
    """One HTTP request to a response URL."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def verdict(self, is_known: bool) -> tuple[int, str]:
        """What S3 makes of it; stricter in that a URL that was encoded anew is a wrong one."""
        if self.method != "PUT" or not is_known:
            return 403, "SignatureDoesNotMatch"
        # AWS asks for an empty one; another fits only some of its signatures.
        if self.headers.get("content-type"):
            return 403, "SignatureDoesNotMatch"
        if any(name.startswith("x-amz-") for name in self.headers):
            return 403, "AccessDenied"
        if "content-length" not in self.headers:
            return 411, "MissingContentLength"
        return 200, ""


def answer_endpoint(
    inner: Callable[..., Awaitable[None]], resources: CustomResources
) -> Callable[..., Awaitable[None]]:
    """Wraps ministack's ASGI application, so that response URLs lead to `resources`."""

    async def app(
        scope: Json, receive: Callable[[], Awaitable[Json]], send: Callable[[Json], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(ANSWER_PATH):
            await inner(scope, receive, send)
            return
        status, code = resources.receive(await read_put(scope, receive))
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        headers = [
            (b"content-type", b"application/xml"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def read_put(scope: Json, receive: Callable[[], Awaitable[Json]]) -> Put:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    target = scope["raw_path"].decode("latin-1") + "?" + scope["query_string"].decode("latin-1")
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    return Put(scope["method"], target, headers, body)


if __name__ == "__main__":
    main()
