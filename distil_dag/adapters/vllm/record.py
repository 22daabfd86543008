"""What is known of one managed server, in a file that every process of its run can read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from distil_dag.adapters.system.atomic_files import write_whole
from distil_dag.adapters.system.processes import ProcessMark
from distil_dag.core.settings import ModelSpec

RECORD_FILE = "server.json"
LOG_FILE = "vllm.log"
SUPERVISOR_LOG_FILE = "supervisor.log"
# Held by whoever decides about a start; and, shared, by everyone who uses the server.
START_LOCK = "start.lock"
USE_LOCK = "use.lock"


class SupervisorJob(BaseModel):
    """What a supervisor is told: what to serve, from which folder, for which process, how long unused."""

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    folder: Path
    owner: ProcessMark
    idle_seconds: float


class ServerRecord(BaseModel):
    """One lease of a server. The key is worth nothing beyond loopback and this server's life."""

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
        """Put the record into its folder, whole or not at all, for this user's eyes only."""
        write_whole(folder / RECORD_FILE, self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(folder: Path) -> ServerRecord | None:
        """The record in a folder; None where no server was ever started, or the file is damaged."""
        try:
            return ServerRecord.model_validate_json((folder / RECORD_FILE).read_text())
        except (FileNotFoundError, ValidationError):
            return None


def server_name(spec: ModelSpec) -> str:
    """Names what decides which server is started: two models of a run that agree in it share one."""
    parts = spec.model_dump_json(include={"model", "revision", "executable", "arguments"})
    return hashlib.sha256(parts.encode()).hexdigest()[:12]
