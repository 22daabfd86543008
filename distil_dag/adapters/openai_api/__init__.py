"""Endpoints of OpenAI's API: requests, retries, limits, pools, errors.

Put here what any such server needs; not the server that is started here, which is `vllm`.
"""
