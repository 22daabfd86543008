"""A process that reads records for another one: `python -m distil_dag.entrypoints.read_records`.

It takes a `ReadingJob` and then pages by standard input, pickled, and gives an `Answer` for each by standard
output. It ends with its input, so with the process that has started it.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import traceback

from distil_dag.adapters.logs.records.outcomes import Outcomes
from distil_dag.adapters.logs.records.readers import OBJECTS_BEFORE_GC, Answer, ReadingJob, page_of
from distil_dag.core.run_key import RunKey
from distil_dag.core.task import Task


def main() -> None:
    """Read pages until there are no more."""
    # What anything prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job: ReadingJob = pickle.load(sys.stdin.buffer)  # noqa: S301  # of the process that has started this one
    outcomes = Outcomes(Task.model_validate_json(job.task), RunKey.parse(job.key))
    gc.freeze()
    gc.set_threshold(OBJECTS_BEFORE_GC)
    while True:
        try:
            page = pickle.load(sys.stdin.buffer)  # noqa: S301
        except EOFError:
            return
        try:
            found = [outcome.brief() for outcome in outcomes.of_page(page_of(page))]
            answer = pickle.dumps(Answer(found), pickle.HIGHEST_PROTOCOL)
        except Exception:
            answer = pickle.dumps(Answer([], traceback.format_exc()))
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    main()
