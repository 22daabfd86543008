"""A task's folder: its settings, tools, test and labels, and errors that name line and key.

Put here a layout of task folders; what a setting means is `core/task.py`.
"""
