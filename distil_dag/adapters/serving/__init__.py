"""The student at work: a GGUF file that answers with calls, and its decoder.

Put here what runs when a user asks the student.
"""
