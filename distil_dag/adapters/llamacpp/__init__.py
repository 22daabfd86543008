"""llama.cpp: GGUF files, its engine, its tokens and its converter.

Put here what calls llama.cpp; not what a student is, which is `serving`.
"""
