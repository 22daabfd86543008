"""Files that an application or a service hands out: chats of Open WebUI and LibreChat, files of a batch.

Put here: what such a file looks like, and the turns or the request and answer in it; what stands in a body is
`formats`, what libraries log is `recorders`.
"""
