"""New training rows under the conventions of the seeds: plan, teacher, slot substitution, filters.

Put here what makes or refuses a synthetic row; not how the student is shown it, which is `student`.
"""
