"""The token ids that vLLM's chat route makes of conversations, without a server.

    VLLM_PYTHON benchmarks/vllm_rendering.py CHECKPOINT < CONVERSATIONS.json

Reads a list of conversations in OpenAI's form and prints a list of lists of ids as its last line. It runs in
vLLM's own environment and imports nothing else.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Render what stands on standard input."""
    from vllm.config import ModelConfig
    from vllm.renderers.chat_utils import parse_chat_messages
    from vllm.renderers.hf import resolve_chat_template_content_format, safe_apply_chat_template
    from vllm.tokenizers import cached_tokenizer_from_config

    model = ModelConfig(model=sys.argv[1], max_model_len=512)
    tokenizer = cached_tokenizer_from_config(model)
    form = resolve_chat_template_content_format(None, None, "auto", tokenizer, model_config=model)
    found = []
    for messages in json.load(sys.stdin):
        turns = parse_chat_messages(messages, model, content_format=form)[0]
        found.append(safe_apply_chat_template(model, tokenizer, turns, add_generation_prompt=True))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
