"""What strict_ministack.py promises: who breaks the protocol fails, as on CloudFormation."""

import json
import time
import unittest
from pathlib import Path
from typing import Any

from cloud import Cloud

HERE = Path(__file__).resolve().parent
STATE = HERE.parents[1] / ".e2e" / "strict"

# A PUT that is refused leaves its request unanswered, which shows only after this time.
SERVICE_TIMEOUT_SECONDS = 2
NO_ANSWER = "CloudFormation did not receive a response"
STACK_SECONDS_MAX = 30

Lines = list[dict[str, Any]]


class StrictMinistackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.cloud = Cloud(STATE)
        cls.addClassCleanup(cls.cloud.stop)
        cls.cloudformation = cls.cloud.client("cloudformation")

    def test_a_correct_answer_succeeds(self) -> None:
        self.check_success("answer")

    def test_a_crash_is_retried_with_the_same_event(self) -> None:
        [response] = responses(self.check_success("crash at first"))
        self.assertEqual(response["body"]["Data"], {"Attempt": "2"})

    def test_the_first_of_two_answers_counts(self) -> None:
        lines = self.check_success("answer twice")
        self.assertEqual([response["counts"] for response in responses(lines)], [True, False])

    def test_a_failed_create_is_followed_by_a_delete(self) -> None:
        lines = self.check_failure(
            "fail", "[FAILED] from custom resource. Message returned: it was asked to"
        )
        self.assertEqual(requests(lines)[1]["PhysicalResourceId"], "chosen")

    def test_silence_ends_with_the_service_timeout(self) -> None:
        self.check_failure("stay silent", NO_ANSWER)

    def test_an_answer_after_the_service_timeout_is_none(self) -> None:
        self.check_failure("answer too late", NO_ANSWER)

    def test_an_answer_of_more_than_4096_bytes_fails(self) -> None:
        self.check_failure("write too much", "Response object is too long")

    def test_an_answer_to_another_request_fails(self) -> None:
        self.check_failure("answer another request", "Value of property RequestId")

    def test_a_failure_without_a_reason_fails(self) -> None:
        self.check_failure("give no reason", "Reason is required")

    def test_a_reason_of_null_fails(self) -> None:
        self.check_failure("write null for the reason", "Value of property Reason")

    def test_an_empty_physical_id_fails(self) -> None:
        self.check_failure("give an empty id", "Invalid PhysicalResourceId")

    def test_a_content_type_is_refused(self) -> None:
        lines = self.check_failure("name a content type", NO_ANSWER)
        self.assertEqual(responses(lines)[0]["status"], 403)

    def test_a_url_that_was_encoded_anew_is_refused(self) -> None:
        lines = self.check_failure("encode the URL anew", NO_ANSWER)
        self.assertEqual(responses(lines)[0]["status"], 403)

    def check_success(self, behaviour: str) -> Lines:
        return self.check(behaviour, "CREATE_COMPLETE", "", ["Create"])

    def check_failure(self, behaviour: str, reason: str) -> Lines:
        return self.check(behaviour, "ROLLBACK_COMPLETE", reason, ["Create", "Delete"])

    def check(self, behaviour: str, status: str, reason: str, request_types: list[str]) -> Lines:
        """Creates a stack whose function behaves in this way; returns what the trace says of it."""
        seen = len(self.cloud.trace())
        stack_id = self.cloudformation.create_stack(
            StackName=behaviour.replace(" ", "-"), TemplateBody=template(behaviour)
        )["StackId"]
        self.assertEqual(self.final_status(stack_id), status)
        self.assertIn(reason, self.failure_reasons(stack_id))
        lines = self.cloud.trace()[seen:]
        self.assertEqual([event["RequestType"] for event in requests(lines)], request_types)
        self.assertNotIn("X-Amz-Signature", json.dumps(lines))
        return lines

    def final_status(self, stack_id: str) -> str:
        deadline = time.monotonic() + STACK_SECONDS_MAX
        while time.monotonic() < deadline:
            [stack] = self.cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack["StackStatus"]
            time.sleep(0.1)
        raise TimeoutError(f"{stack_id} is still {stack['StackStatus']}")

    def failure_reasons(self, stack_id: str) -> str:
        events = self.cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)


def template(behaviour: str) -> str:
    function = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::111122223333:role/none",
        "Timeout": 30,
        "Code": {"ZipFile": (HERE / "misbehaving_function.py").read_text(encoding="utf-8")},
    }
    subject = {
        "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
        "ServiceTimeout": SERVICE_TIMEOUT_SECONDS,
        "Behaviour": behaviour,
    }
    return json.dumps(
        {
            "Resources": {
                "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
                "Subject": {"Type": "Custom::Subject", "Properties": subject},
            },
        }
    )


def requests(lines: Lines) -> list[dict[str, Any]]:
    return [line["event"] for line in lines if line["kind"] == "request"]


def responses(lines: Lines) -> Lines:
    return [line for line in lines if line["kind"] == "response"]


if __name__ == "__main__":
    unittest.main()
