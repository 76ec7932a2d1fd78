"""The real `cdk deploy` of the real function on a local cloud: a stack's life from end to end."""

import json
import os
import re
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk import Cdk, CdkFailed
from cloud import Cloud
from items import Item, normalised, sample_items

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = REPOSITORY / ".e2e" / "run"

RESOURCE_TYPE = "Custom::DynamoDBTables"
LEDGER = "tablewright-ledger"
SCENARIOS = ("create", "indexes", "failing", "removal-failing", "removal")
ANSWER_BYTES_MAX = 4096
EXECUTION_SECONDS_MAX = 20

# The order that 0003_order_totals cannot convert, and the value of it that nobody may print.
POISON_ORDER = "ORDER-1006"
POISON_TOTAL = "12,5O"


class DeployTest(unittest.TestCase):
    def setUp(self) -> None:
        function_directory = required_function_directory()
        self.cloud = Cloud(STATE)
        self.addCleanup(self.cloud.stop)
        self.cdk = Cdk(self.cloud, function_directory)
        self.dynamodb = self.cloud.client("dynamodb")
        self.cloudformation = self.cloud.client("cloudformation")
        self.seen_trace_lines = 0
        self.seen_stack_events: set[str] = set()

    def test_tables_and_data_follow_the_stack(self) -> None:
        self.step("synthesise", lambda: self.cdk.synthesise(*SCENARIOS))
        self.step("bootstrap", lambda: self.cdk.bootstrap("create"))
        self.step("create", self.create)
        self.step("seed", self.seed)
        self.step("deploy without a change", self.deploy_without_a_change)
        self.step("add indexes, migrate", self.add_indexes_and_migrate)
        self.step("fail, undo, roll back", self.fail_undo_and_roll_back)
        self.step("remove, roll back with the stack", self.remove_and_roll_back_with_the_stack)
        self.step("remove", self.remove)
        self.step("destroy", self.destroy)
        self.step("look for leaks", self.look_for_leaks)

    # The story, in the order in which it happens.

    def create(self) -> None:
        self.cdk.deploy("create")

        [creation] = self.exchanges(("Create", "SUCCESS", "1"))
        self.stack_id = creation.event["StackId"]
        self.scope = scope(creation.event)
        self.assertEqual(creation.answer["Data"]["LedgerHead"], "0001_order_labels")
        self.assertEqual(self.resource_statuses(), {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"})
        self.assertEqual(self.stack()["StackStatus"], "CREATE_COMPLETE")

        self.check_tables_are_as_declared()
        self.assertEqual(self.indexes("orders"), {"by_customer"})
        self.assertEqual(self.migrations(), {"0001_order_labels": "baseline"})
        self.check_ledger(runs=["succeeded"])
        self.check_application(orders=0)

    def seed(self) -> None:
        self.seeded = {table: sample_items(table) for table in ("orders", "customers")}
        for table, items in self.seeded.items():
            requests = [{"PutRequest": {"Item": item}} for item in items]
            response = self.dynamodb.batch_write_item(RequestItems={table: requests})
            self.assertFalse(response["UnprocessedItems"])
        self.check_application(orders=len(self.seeded["orders"]))

    def deploy_without_a_change(self) -> None:
        # Without the option the command line finds nothing to do by itself, and asks nobody.
        self.cdk.deploy("create", "--force")

        self.exchanges()
        self.check_ledger(runs=["succeeded"])

    def add_indexes_and_migrate(self) -> None:
        self.cdk.deploy("indexes")

        [update] = self.exchanges(("Update", "SUCCESS", "1"))
        self.executions("SUCCEEDED")
        self.assertEqual(update.answer["Data"]["LedgerHead"], "0002_order_slugs")
        self.assertEqual(self.resource_statuses(), {"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"})
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_COMPLETE")

        self.check_tables_are_as_declared()
        self.assertEqual(self.indexes("orders"), {"by_customer", "by_status", "by_carrier"})
        with_slugs = [
            {"slug": {"S": f"{item['pk']['S'].lower()}-{item['sk']['S']}"}, **item}
            for item in self.seeded["orders"]
        ]
        self.assertEqual(self.items("orders"), normalised(with_slugs))
        with_tiers = [{"tier": {"S": "standard"}, **item} for item in self.seeded["customers"]]
        self.assertEqual(self.items("customers"), normalised(with_tiers))
        self.assertEqual(
            self.migrations(),
            {
                "0001_order_labels": "baseline",
                "0002_customer_tiers": "applied",
                "0002_order_slugs": "applied",
            },
        )
        self.check_ledger(runs=["succeeded", "succeeded"])

    def fail_undo_and_roll_back(self) -> None:
        before = {table: self.items(table) for table in ("orders", "customers")}
        migrations = self.migrations()
        with self.assertRaises(CdkFailed) as failure:
            self.cdk.deploy("failing")

        self.assertIn("0003_order_totals", str(failure.exception))
        failed, rollback = self.exchanges(("Update", "FAILED", "1"), ("Update", "SUCCESS", "1"))
        self.executions("SUCCEEDED", "SUCCEEDED")
        self.assertIn("0003_order_totals", failed.answer["Reason"])
        self.assertIn(POISON_ORDER, failed.answer["Reason"])
        self.assertIn("0002_order_years", failed.answer["Reason"])
        self.assertEqual(properties(rollback), properties(failed)[::-1])
        self.assertEqual(
            self.resource_statuses(), {"UPDATE_IN_PROGRESS", "UPDATE_FAILED", "UPDATE_COMPLETE"}
        )
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_ROLLBACK_COMPLETE")

        self.check_tables_are_as_declared()
        self.assertEqual({table: self.items(table) for table in before}, before)
        self.assertEqual(self.indexes("customers"), {"by_tier"}, "an index that was added stays")
        # The one in JavaScript had been applied before.
        undone = {"0002_order_years": "undone", "0003_order_totals": "undone"}
        self.assertEqual(self.migrations(), migrations | undone)
        self.check_ledger(runs=["succeeded", "succeeded", "failed", "succeeded"])
        self.check_application(orders=len(before["orders"]))

    def remove_and_roll_back_with_the_stack(self) -> None:
        before = {table: self.items(table) for table in ("orders", "customers")}
        indexes = self.indexes("orders")
        with self.assertRaises(CdkFailed) as failure:
            self.cdk.deploy("removal-failing")

        self.assertIn("NeverSignalled", str(failure.exception))
        update, back = self.exchanges(("Update", "SUCCESS", "1 to 2"), ("Delete", "SUCCESS", "2"))
        self.assertIn("table customers: doomed", update.answer["Reason"])
        self.assertIn("went back to the declaration before", back.answer["Reason"])
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_ROLLBACK_COMPLETE")
        self.resource_statuses()

        self.check_tables_are_as_declared()
        self.assertEqual({table: self.items(table) for table in before}, before)
        self.assertEqual(self.indexes("orders"), indexes)
        self.assertEqual(self.backups("customers"), [])
        self.check_ledger(runs=["failed", *["succeeded"] * 5])
        self.check_application(orders=len(before["orders"]))

    def remove(self) -> None:
        customers = self.items("customers")
        self.cdk.deploy("removal")

        # The id that went with the rolled-back update is not given again.
        update, cleanup = self.exchanges(
            ("Update", "SUCCESS", "1 to 3"), ("Delete", "SUCCESS", "1")
        )
        self.assertIn("table orders: index by_carrier", update.answer["Reason"])
        self.assertIn("table customers deleted after the backup", cleanup.answer["Reason"])
        self.assertEqual(self.stack()["StackStatus"], "UPDATE_COMPLETE")
        self.resource_statuses()

        self.assertEqual(self.indexes("orders"), {"by_customer", "by_status"})
        self.assertEqual(self.dynamodb.list_tables()["TableNames"], ["orders", LEDGER])
        [backup] = self.backups("customers")
        self.assertIn(backup, json.dumps(self.ledger_rows(), default=repr))
        self.dynamodb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup)
        self.assertEqual(self.items("restored"), customers)
        self.dynamodb.delete_table(TableName="restored")
        self.check_ledger(runs=["failed", *["succeeded"] * 7])

    def destroy(self) -> None:
        before = self.items("orders")
        self.cdk.destroy("removal")

        self.exchanges(("Delete", "SUCCESS", "3"))
        self.assertEqual(self.resource_statuses(), {"DELETE_IN_PROGRESS", "DELETE_COMPLETE"})
        self.assertEqual(self.stack()["StackStatus"], "DELETE_COMPLETE")
        self.assertEqual(self.items("orders"), before, "tables are retained by default")
        rows = self.ledger_rows()
        self.assertEqual(sorted(states(rows, "run#").values()), ["failed", *["succeeded"] * 8])
        # An answered Delete ends the function and its rights, so it may come too late to note that.
        self.assertLessEqual(set(states(rows, "answer#").values()), {"answering", "answered"})

    def look_for_leaks(self) -> None:
        places = {
            "a log": "\n".join(self.cloud.log_lines()),
            "the ledger": json.dumps(self.ledger_rows(), default=repr),
            "the trace": json.dumps(self.cloud.trace()),
            "an execution": json.dumps(self.histories, default=repr),
        }
        self.assertIn("START RequestId", places["a log"])
        for place, text in places.items():
            self.assertNotIn("X-Amz-Signature", text, f"{place} holds a response URL")
            self.assertNotIn(POISON_TOTAL, text, f"{place} holds an attribute's value")

    # What holds after every step.

    def exchanges(self, *expected: tuple[str, str, str]) -> list["Exchange"]:
        """What went to and fro since the last call: the expected, in keeping with the protocol.

        Each is a request, the answer's status, and the generation in the physical id.
        """
        trace = self.cloud.trace()
        exchanges = paired(trace[self.seen_trace_lines :])
        self.seen_trace_lines = len(trace)
        self.assertEqual(
            [
                (each.event["RequestType"], each.answer.get("Status"), each.generation)
                for each in exchanges
            ],
            list(expected),
        )
        for exchange in exchanges:
            self.check_protocol(exchange)
        return exchanges

    def check_protocol(self, exchange: "Exchange") -> None:
        self.assertEqual(exchange.event["ResourceType"], RESOURCE_TYPE)
        self.assertEqual(len(exchange.responses), 1, "one request gets one answer")
        [response] = exchange.responses
        self.assertIsNone(response["problem"])
        self.assertEqual(response["status"], 200)
        self.assertEqual(response["content_type"], "")
        self.assertLessEqual(response["size"], ANSWER_BYTES_MAX)
        self.assertRegex(
            exchange.answer["PhysicalResourceId"], expected_physical_id(exchange.event)
        )

    def executions(self, *statuses: str) -> None:
        """The runs that went on in the state machine so far: an index on a table that exists takes AWS too long."""
        states = self.cloud.client("stepfunctions")
        [machine] = states.list_state_machines()["stateMachines"]
        executions = states.list_executions(stateMachineArn=machine["stateMachineArn"])
        arns = [execution["executionArn"] for execution in executions["executions"]]
        deadline = time.monotonic() + EXECUTION_SECONDS_MAX
        ended = []
        # CloudFormation goes on with the answer, and the execution ends just after it.
        while time.monotonic() < deadline:
            ended = [states.describe_execution(executionArn=arn) for arn in arns]
            if all(execution["status"] != "RUNNING" for execution in ended):
                break
            time.sleep(0.2)
        self.assertEqual([execution["status"] for execution in ended], list(statuses))
        for execution in ended:
            self.assertEqual(
                set(json.loads(execution["input"])), {"function", "ledger", "run", "scope"}
            )
        self.histories = [states.get_execution_history(executionArn=arn)["events"] for arn in arns]

    def check_tables_are_as_declared(self) -> None:
        """All but the indexes, which differ from step to step."""
        orders, customers = self.table("orders"), self.table("customers")
        for table in (orders, customers):
            self.assertEqual(table["TableStatus"], "ACTIVE")
            self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(key_attributes(orders), ["pk", "sk"])
        self.assertEqual(key_attributes(customers), ["id"])
        self.assertEqual(
            orders["StreamSpecification"],
            {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.assertNotIn("StreamSpecification", customers)
        tags = self.dynamodb.list_tags_of_resource(ResourceArn=orders["TableArn"])["Tags"]
        self.assertIn({"Key": "team", "Value": "shop"}, tags)
        self.assertTrue(self.recovers_to_any_point("orders"))
        self.assertFalse(self.recovers_to_any_point("customers"))
        ttl = self.dynamodb.describe_time_to_live(TableName="customers")["TimeToLiveDescription"]
        self.assertEqual(ttl, {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"})

    def check_ledger(self, runs: list[str]) -> None:
        """`runs` are the states of all runs so far, in any order: their ids are random."""
        rows = self.ledger_rows()
        self.assertTrue(all(row["format"] == {"N": "1"} for row in rows), rows)
        self.assertEqual(sorted(states(rows, "run#").values()), sorted(runs))
        self.assertEqual(set(states(rows, "answer#").values()), {"answered"})
        self.assertEqual(
            states(rows, "table#", "origin"), {"orders": "created", "customers": "created"}
        )
        ledger = self.table(LEDGER)
        self.assertTrue(ledger["DeletionProtectionEnabled"])
        self.assertEqual(key_attributes(ledger), ["scope", "entry"])

    def check_application(self, orders: int) -> None:
        """The function that needs the tables runs, and knows their name from the answer."""
        name = self.stack_output("ApplicationFunction")
        response = self.cloud.client("lambda").invoke(FunctionName=name)
        self.assertEqual(json.load(response["Payload"]), {"table": "orders", "orders": orders})

    # How things are looked up.

    def table(self, name: str) -> dict[str, Any]:
        return self.dynamodb.describe_table(TableName=name)["Table"]

    def indexes(self, table: str) -> set[str]:
        indexes = self.table(table).get("GlobalSecondaryIndexes", [])
        self.assertTrue(all(index["IndexStatus"] == "ACTIVE" for index in indexes), indexes)
        return {index["IndexName"] for index in indexes}

    def backups(self, table: str) -> list[str]:
        summaries = self.dynamodb.list_backups(TableName=table)["BackupSummaries"]
        return [summary["BackupArn"] for summary in summaries]

    def recovers_to_any_point(self, table: str) -> bool:
        response = self.dynamodb.describe_continuous_backups(TableName=table)
        description = response["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return description["PointInTimeRecoveryStatus"] == "ENABLED"

    def items(self, table: str) -> list[Item]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return normalised([item for page in pages for item in page["Items"]])

    def ledger_rows(self) -> list[Item]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=LEDGER,
            ConsistentRead=True,
            KeyConditionExpression="#scope = :scope",
            ExpressionAttributeNames={"#scope": "scope"},
            ExpressionAttributeValues={":scope": {"S": self.scope}},
        )
        return [row for page in pages for row in page["Items"]]

    def migrations(self) -> dict[str, str]:
        return states(self.ledger_rows(), "migration#")

    def stack(self) -> dict[str, Any]:
        return self.cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"][0]

    def stack_output(self, name: str) -> str:
        outputs = {each["OutputKey"]: each["OutputValue"] for each in self.stack()["Outputs"]}
        return outputs[name]

    def resource_statuses(self) -> set[str]:
        """What the resource went through since the last call; within a second there is no order."""
        paginator = self.cloudformation.get_paginator("describe_stack_events")
        pages = paginator.paginate(StackName=self.stack_id)
        events = [event for page in pages for event in page["StackEvents"]]
        news = [event for event in events if event["EventId"] not in self.seen_stack_events]
        self.seen_stack_events.update(event["EventId"] for event in news)
        return {event["ResourceStatus"] for event in news if event["ResourceType"] == RESOURCE_TYPE}

    def step(self, name: str, action: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            action()
        except BaseException:
            print(f"FAILED: {name}", flush=True)
            self.cloud.print_diagnosis()
            raise
        print(f"{time.monotonic() - started:5.1f} s  {name}", flush=True)


@dataclass(frozen=True)
class Exchange:
    """One request of CloudFormation, and every response that came for it."""

    event: dict[str, Any]
    responses: list[dict[str, Any]]

    @property
    def answer(self) -> dict[str, Any]:
        return next((response["body"] for response in self.responses if response["counts"]), {})

    @property
    def generation(self) -> str:
        """The one that the physical id names, or `1 to 2` where the answer names another."""
        answered = self.answer.get("PhysicalResourceId", "").rsplit(":", 1)[-1]
        received = self.event.get("PhysicalResourceId", answered).rsplit(":", 1)[-1]
        return received if received == answered else f"{received} to {answered}"


def paired(trace: list[dict[str, Any]]) -> list[Exchange]:
    responses = [line for line in trace if line["kind"] == "response"]
    return [
        Exchange(
            line["event"],
            [each for each in responses if each["request_id"] == line["event"]["RequestId"]],
        )
        for line in trace
        if line["kind"] == "request"
    ]


def properties(exchange: Exchange) -> list[dict[str, Any]]:
    """The new properties, then the old ones."""
    return [exchange.event["ResourceProperties"], exchange.event["OldResourceProperties"]]


def required_function_directory() -> Path:
    value = os.environ.get("E2E_FUNCTION_DIR")
    if not value:
        raise RuntimeError("E2E_FUNCTION_DIR is not set: run this test with `make e2e`")
    directory = Path(value).resolve()
    if not os.access(directory / "bootstrap", os.X_OK):
        raise RuntimeError(
            f"{directory} holds no executable `bootstrap`: run this test with `make e2e`"
        )
    return directory


def expected_physical_id(event: dict[str, Any]) -> str:
    return f"^tablewright:{re.escape(stack_uuid(event))}:{event['LogicalResourceId']}:[0-9]+$"


def scope(event: dict[str, Any]) -> str:
    return f"{stack_uuid(event)}/{event['LogicalResourceId']}"


def stack_uuid(event: dict[str, Any]) -> str:
    return event["StackId"].rsplit("/", 1)[1]


def states(rows: list[Item], prefix: str, attribute: str = "state") -> dict[str, str]:
    """The attribute of each row whose entry has the prefix, by the rest of the entry."""
    return {
        row["entry"]["S"].removeprefix(prefix): row[attribute]["S"]
        for row in rows
        if row["entry"]["S"].startswith(prefix)
    }


def key_attributes(table: dict[str, Any]) -> list[str]:
    return [element["AttributeName"] for element in table["KeySchema"]]


if __name__ == "__main__":
    unittest.main()
