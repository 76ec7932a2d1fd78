"""A custom resource's function that breaks the protocol as the property `Behaviour` tells it to."""

import json
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

WRONG_ANSWERS = {
    "fail": {"Status": "FAILED", "Reason": "it was asked to"},
    "give no reason": {"Status": "FAILED"},
    "write null for the reason": {"Reason": None},
    "answer another request": {"RequestId": "another"},
    "give an empty id": {"PhysicalResourceId": ""},
    "write too much": {"Data": {"Padding": "x" * 4096}},
}


def handler(event, _context):
    deletes = event["RequestType"] == "Delete"
    behaviour = "answer" if deletes else event["ResourceProperties"]["Behaviour"]
    attempt = count_attempt(event["RequestId"])
    if behaviour == "crash at first" and attempt == 1:
        raise RuntimeError("no answer this time")
    if behaviour == "stay silent":
        return
    if behaviour == "answer too late":
        time.sleep(4)
    url = event["ResponseURL"]
    if behaviour == "encode the URL anew":
        url = url.replace("%7C", "|")
    content_type = "application/json" if behaviour == "name a content type" else ""
    answer = correct_answer(event, attempt) | WRONG_ANSWERS.get(behaviour, {})
    put(url, content_type, answer)
    if behaviour == "answer twice":
        put(url, content_type, answer | {"Status": "FAILED", "Reason": "on second thoughts"})


def correct_answer(event, attempt):
    return {
        "Status": "SUCCESS",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "PhysicalResourceId": "chosen",
        "Data": {"Attempt": str(attempt)},
    }


def count_attempt(request_id):
    """Counts in a file: a crash ends the process."""
    file = Path(tempfile.gettempdir(), f"attempts-{request_id}")
    attempt = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(attempt))
    return attempt


def put(url, content_type, answer):
    headers = {"Content-Type": content_type}
    request = urllib.request.Request(url, json.dumps(answer).encode(), headers, method="PUT")
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        print(f"refused with {error.code}")
