"""The student's checkpoint behind a vLLM server that is started for the test and ended after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from distil_dag.adapters.candidates.asking import answered, one_by_one
from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.openai_api.errors import Fault
from distil_dag.adapters.openai_api.server_tokens import continuation, conversation_tokens, version
from distil_dag.adapters.vllm.chat import ManagedChat
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.adapters.vllm.server import command
from distil_dag.core.case import Case
from distil_dag.core.settings import ModelSpec, ServingSpec
from distil_dag.stages.evaluating.answers import Answered
from distil_dag.stages.ports import Progress, Prompt, quiet


@dataclass
class VllmCandidate:
    """A checkpoint served by vLLM; each case is asked alone and timed.

    The server gets the same token ids as the checkpoint. The token ids of the server's own chat route are
    recorded beside them, since that is what users will call. Nothing is metered: the student makes no call of
    the teacher.

    Attributes:
        checkpoint: The candidate whose checkpoint is served.
        serving: Command and arguments of the server.
        servers: The servers of the run.
        name: Name in the report.
        model: The model's identity, known after it has answered.
        software: The server's name and version, known after it has answered.

    Raises:
        ValueError: The settings hold arguments that the user may not choose.
    """

    checkpoint: CheckpointCandidate
    serving: ServingSpec
    servers: Servers
    name: str
    model: str = ""
    software: str = "vllm"

    def __post_init__(self) -> None:
        command(self._spec, 0)  # mistakes in the settings raise before the first candidate answers

    @property
    def bytes(self) -> int:
        """Size of the checkpoint's weights in bytes."""
        return self.checkpoint.bytes

    def answer(self, cases: Sequence[Case], progress: Progress = quiet) -> list[Answered | None]:
        """One answer for each case, in order; the server has ended when it returns or raises.

        Args:
            cases: What to ask.
            progress: Called after each answer.

        Raises:
            ServerError: The server does not start, or dies too often.
        """
        model = CheckpointModel(self.checkpoint.folder)
        render = self.checkpoint.rendering(model)
        prompts = [
            Prompt(self.checkpoint.messages(case), tools=tuple(self.checkpoint.tools or ())) for case in cases
        ]
        with ManagedChat(self._spec, self.servers) as server:
            try:
                self.model = server.identity
                found = one_by_one(cases, lambda case: self._one(server, model, render, case), progress)
                chats = server.each(prompts, conversation_tokens)
                (named,) = server.each([None], version)
                self.software = f"vllm {named}" if isinstance(named, str) else "vllm"
            finally:
                server.release()
        return [
            answer and replace(answer, rendered=() if isinstance(chat, Fault) else tuple(chat[0]))
            for answer, chat in zip(found, chats, strict=True)
        ]

    def _one(
        self, server: ManagedChat, model: CheckpointModel, render: Callable[[Case], str], case: Case
    ) -> Answered:
        try:
            ids = tuple(model.tokenize(render(case)))
        except ValueError as error:  # the template refuses this conversation
            return Answered("", error=str(error))
        (reply,) = server.each([(ids, self.checkpoint.max_tokens)], continuation)
        if isinstance(reply, Fault):
            return Answered("", error=reply.text, asked=ids)
        return replace(answered(reply), asked=ids)

    @property
    def _spec(self) -> ModelSpec:
        return ModelSpec(
            mode="managed",
            model=str(self.checkpoint.folder),
            executable=self.serving.executable,
            arguments=self.serving.arguments,
        )
