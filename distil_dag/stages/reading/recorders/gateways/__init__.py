"""What a gateway logs, which answers by one of several models and tells which one it was.

Put here whose answer of an exchange may become a label; not what a body holds, which is `formats`.
"""
