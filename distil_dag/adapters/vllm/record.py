"""What is known of one managed server, in a file that every process of its run can read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.core.files import write_whole
from distil_dag.core.settings import ModelSpec

RECORD_FILE = "server.json"
LOG_FILE = "vllm.log"
SUPERVISOR_LOG_FILE = "supervisor.log"
# START_LOCK is held exclusively by the process that decides about a start, USE_LOCK is shared by all users.
START_LOCK = "start.lock"
USE_LOCK = "use.lock"


class SupervisorJob(BaseModel):
    """What a supervisor has to do.

    Attributes:
        spec: The model to serve.
        folder: Folder of the server's record, locks and logs.
        owner: The process whose end ends the server.
        idle_seconds: Seconds without use after which the server ends.
    """

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    folder: Path
    owner: ProcessMark
    idle_seconds: float


class ServerRecord(BaseModel):
    """The state of one managed server.

    Attributes:
        state: What the server does.
        supervisor: The process that supervises it.
        port: Its port on loopback.
        key: Its API key, worth nothing beyond loopback and this server's life.
        starts: How often it was started.
        processes: Its live processes, the server's own first.
        reason: Why it failed, stopped or restarts.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["starting", "ready", "failed", "stopped"]
    # A server that an earlier version started has its record under the other name.
    supervisor: ProcessMark = Field(validation_alias=AliasChoices("supervisor", "keeper"))
    port: int
    key: SecretStr
    starts: int = 0
    processes: tuple[ProcessMark, ...] = ()
    reason: str = ""

    @field_serializer("key", when_used="json")
    def _reveal(self, key: SecretStr) -> str:
        return key.get_secret_value()

    def write(self, folder: Path) -> None:
        """Write the record into its folder, atomically and readable by this user only."""
        write_whole(folder / RECORD_FILE, self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(folder: Path) -> ServerRecord | None:
        """The record in a folder; None where there is none or the file is damaged."""
        try:
            return ServerRecord.model_validate_json((folder / RECORD_FILE).read_text())
        except (FileNotFoundError, ValidationError):
            return None


def server_name(spec: ModelSpec) -> str:
    """A hash of the settings that decide which server is started.

    Two models of a run with the same hash share one server.
    """
    parts = spec.model_dump_json(include={"model", "revision", "executable", "arguments"})
    return hashlib.sha256(parts.encode()).hexdigest()[:12]
