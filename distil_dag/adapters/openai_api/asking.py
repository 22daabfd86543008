"""One request to a chat route, asked again where the server takes less or thoughts left no room."""

from __future__ import annotations

from dataclasses import replace

from openai import BadRequestError

from distil_dag.adapters.openai_api.endpoint import Endpoint
from distil_dag.adapters.openai_api.engines import engine_after_refusal
from distil_dag.adapters.openai_api.server_tokens import opens_thoughts
from distil_dag.adapters.openai_api.wire import Heard, read_answer, request_body
from distil_dag.core.answers.thoughts import before_stop
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import Prompt, Reply

# The last try has so many times the room for thoughts.
_MORE = 4


async def reply_to(endpoint: Endpoint, prompt: Prompt, spec: ModelSpec) -> Reply:
    """The answer to a prompt, without thoughts.

    An answer that ran out of tokens while the model thought, or may have, is asked for again, with room for
    thoughts and then with more. From then on the endpoint's model has that room at once. Stop strings would
    end thoughts, so such a request goes without them, and an answer in words is cut here. The tokens of all
    tries count.

    Args:
        endpoint: The server.
        prompt: The request.
        spec: Whether the model shall think, and with how much room.
    """
    most = spec.thinking_tokens or (await endpoint.engine()).thinking_tokens
    thinks = not prompt.prefill and (spec.thinking == "on" or endpoint.thinks)
    rooms = [most, _MORE * most] if thinks else [0, most, _MORE * most]
    last: Reply | None = None
    for room in rooms:
        try:
            heard = await _heard(endpoint, prompt, spec.thinking == "on", room)
        except BadRequestError:
            if not room:
                raise
            # The room may be more than the server's context holds.
            if last is not None:
                break
            heard = await _heard(endpoint, prompt, spec.thinking == "on", 0)
        unclear = heard.reply.finish == "length" and not (heard.thought or prompt.prefill)
        if unclear and await opens_thoughts(endpoint, spec.thinking == "on"):
            heard = replace(heard, reply=replace(heard.reply, text=""), thought=True, again=True)
        before = last or Reply("", "stop")
        last = replace(
            heard.reply,
            prompt_tokens=before.prompt_tokens + heard.reply.prompt_tokens,
            completion_tokens=before.completion_tokens + heard.reply.completion_tokens,
        )
        endpoint.thinks = endpoint.thinks or heard.thought
        if not heard.again or prompt.prefill:
            break
    assert last is not None
    return last


async def _heard(endpoint: Endpoint, prompt: Prompt, thinking: bool, room: int) -> Heard:
    limit = prompt.max_tokens + room
    asked = replace(prompt, max_tokens=limit, stop=() if room else prompt.stop)
    while True:
        engine = await endpoint.engine()
        body = request_body(asked, endpoint.model, engine, thinking)
        try:
            heard = read_answer(await endpoint.client.chat.completions.create(**body), asked, limit)
        except BadRequestError as error:
            less = engine_after_refusal(engine, str(error))
            if less is None:
                raise
            endpoint.has_learnt(less)
            continue
        text = before_stop(heard.reply.text, prompt.stop)
        if not room or prompt.tools or text == heard.reply.text:
            return heard
        return replace(heard, reply=replace(heard.reply, text=text, finish="stop"), again=False)
