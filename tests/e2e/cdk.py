"""The CDK command line, run on the demo app of infra/ against a local cloud."""

import platform
import shutil
import subprocess
from pathlib import Path

from cloud import ACCOUNT, REGION, Cloud

STACK = "TablewrightDemo"
COMMAND_SECONDS_MAX = 180

INFRA = Path(__file__).resolve().parents[2] / "infra"
MIGRATIONS = Path(__file__).parent / "migrations"
EXECUTABLES = INFRA / "node_modules" / ".bin"

# The app of infra/cdk.json compiles itself first, which takes longer than the rest of a synthesis.
COMPILED_APP = "node build/bin/demo.js"


class CdkFailed(Exception):
    """The command line ended with an error; the text is all that it printed."""


class Cdk:
    def __init__(self, cloud: Cloud, function_directory: Path) -> None:
        if shutil.which("node") is None or not (EXECUTABLES / "cdk").exists():
            raise RuntimeError(
                f"Node.js or {EXECUTABLES / 'cdk'} is missing: install Node.js and run `make tools`"
            )
        self._function_directory = function_directory
        self._assemblies = cloud.directory / "cdk.out"
        self._output = cloud.directory / "cdk.log"
        self._environment = {
            **cloud.environment(),
            # It remembers account ids by access key, and not in $HOME unless it is told to.
            "CDK_HOME": str(cloud.directory / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def synthesise(self, *scenarios: str) -> None:
        self._run("tsc")
        for scenario in scenarios:
            options = ["--app", COMPILED_APP, "--output", self._assembly(scenario), "--quiet"]
            options += ["--context", f"scenario={scenario}"]
            options += ["--context", f"code={self._function_directory}"]
            options += ["--context", f"migrations={MIGRATIONS}"]
            options += ["--context", f"architecture={architecture()}"]
            self._cdk("synth", *options)

    def bootstrap(self, scenario: str) -> None:
        self._cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", self._assembly(scenario))

    def deploy(self, scenario: str, *options: str) -> None:
        without_a_question = ["--require-approval", "never"]
        self._cdk("deploy", STACK, "--app", self._assembly(scenario), *without_a_question, *options)

    def destroy(self, scenario: str) -> None:
        self._cdk("destroy", STACK, "--app", self._assembly(scenario), "--force")

    def _assembly(self, scenario: str) -> str:
        return str(self._assemblies / scenario)

    def _cdk(self, *arguments: str) -> None:
        self._run("cdk", *arguments, "--ci", "--no-notices", "--no-color")

    def _run(self, executable: str, *arguments: str) -> None:
        result = subprocess.run(
            [EXECUTABLES / executable, *arguments],
            cwd=INFRA,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS_MAX,
        )
        with self._output.open("a", encoding="utf-8") as output:
            print("$", executable, *arguments, file=output)
            print(result.stdout, file=output)
        if result.returncode != 0:
            raise CdkFailed(result.stdout)


def architecture() -> str:
    """What Lambda calls the processor of this machine, on which the function runs."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
