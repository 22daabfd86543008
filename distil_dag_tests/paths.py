"""Where tests find what they run."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
# A vLLM server without a model: it listens, answers and dies as a real one does.
FAKE_VLLM = ROOT / "distil_dag_tests" / "adapters" / "vllm" / "fake_vllm.py"
