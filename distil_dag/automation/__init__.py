"""Jobs, schedules and sensors: when runs start by themselves, and in which processes.

Put here what starts runs; not what a run does.
"""
