"""Production traces of an expensive agent in, a small model that does the same job out.

`from distil_dag import Run, Student` reads what a run made and asks its student. Each name is loaded when it
is first used, because Dagster's processes import this package and need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["Message", "NotDecodable", "Run", "Student", "StudentAnswer", "ToolCall"]

if TYPE_CHECKING:
    from distil_dag.adapters.serving.student import NotDecodable, Student, StudentAnswer
    from distil_dag.core.case import Message
    from distil_dag.core.tool_call import ToolCall
    from distil_dag.runs.run import Run
else:
    _MODULES = {
        "Message": "distil_dag.core.case",
        "NotDecodable": "distil_dag.adapters.serving.student",
        "Run": "distil_dag.runs.run",
        "Student": "distil_dag.adapters.serving.student",
        "StudentAnswer": "distil_dag.adapters.serving.student",
        "ToolCall": "distil_dag.core.tool_call",
    }

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
