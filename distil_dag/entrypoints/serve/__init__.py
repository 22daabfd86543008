"""The server of students: what listens, and what it shows.

Put here routes and their application; not how an answer is found or judged, which is `adapters` and `stages`.
"""
