"""A vLLM server that a run starts, shares, supervises and stops.

Put here the life of the server; requests to it go through `openai_api`.
"""
