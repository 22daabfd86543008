"""Serving a student from Python: `from distil_dag.student import Student`."""

from distil_dag.adapters.serving.student import NotDecodable, Student, StudentAnswer
from distil_dag.core.tool_call import ToolCall

__all__ = ["NotDecodable", "Student", "StudentAnswer", "ToolCall"]
