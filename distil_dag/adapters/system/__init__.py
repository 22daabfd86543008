"""The operating system: files, locks, processes, memory, threads, the environment.

Put here what any adapter may need of the system; nothing that knows a model or a task.
"""
