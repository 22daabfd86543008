"""What is to be forgotten, known by hashes alone, and found again in any text.

Put here words, tombstones, and what becomes of a value that holds forgotten words; not how files and
databases are read and written (`adapters/forgetting`).
"""
