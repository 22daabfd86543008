"""The Modelfile by which Ollama runs a GGUF file."""

from __future__ import annotations

from distil_dag.core.settings import StudentSpec
from distil_dag.stages.student.prompt import CHATML_CLOSE

# Of the server, for which a Modelfile has no parameter.
_SERVER = "# To compute as in the test: OLLAMA_FLASH_ATTENTION=0 ollama serve"
# Naming `.Tools` lets clients pass tools, and so get parsed calls back, without rendering them.
_OLLAMA_CLOSED_BOOK = "{{- if .Tools }}{{ end }}\n"
_OLLAMA_OPEN_BOOK = """\
{{- if .Tools }}<|im_start|>system
Answer with calls of these functions, one JSON object in <tool_call></tool_call> each:
<tools>
{{ range .Tools }}{{ . }}
{{ end }}</tools><|im_end|>
{{ end }}
"""
# The conversation as the chat template renders it, in the template language of Ollama (Go's).
_OLLAMA_TURNS = """\
{{- range $turn := .Messages }}
{{- if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ else }}<|im_start|>{{ .Role }}
{{ .Content }}
{{- range $index, $call := .ToolCalls }}{{ if or $index $turn.Content }}
{{ end }}<tool_call>{"name":"{{ .Function.Name }}","arguments":{{ .Function.Arguments }}}</tool_call>
{{- end }}<|im_end|>
{{ end }}
{{- end }}<|im_start|>assistant
"""


def modelfile(gguf_file: str, student: StudentSpec, chatml: bool) -> str:
    """An Ollama Modelfile: the trained template, greedy decoding without a penalty, the stop token.

    A base model with a template of its own is left to what Ollama makes of the template in the file.

    Args:
        gguf_file: name of the GGUF file beside it.
        student: the student's settings.
        chatml: whether the student's template is ChatML.
    """
    # Some versions of Ollama penalise repeated tokens unless told otherwise, which changes greedy answers.
    lines = [_SERVER, f"FROM ./{gguf_file}", "PARAMETER temperature 0", "PARAMETER repeat_penalty 1"]
    if chatml:
        tools = _OLLAMA_OPEN_BOOK if student.tools_in_prompt else _OLLAMA_CLOSED_BOOK
        lines += [f'TEMPLATE """{tools}{_OLLAMA_TURNS}"""', f'PARAMETER stop "{CHATML_CLOSE}"']
    if student.system_prompt:
        # Ollama knows no escapes: what stands between the quotes is taken as it is.
        lines.append(f'SYSTEM """{student.system_prompt}"""')
    return "\n".join(lines) + "\n"
