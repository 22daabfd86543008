"""Recorders that write spans and log records of OpenTelemetry, in any of the forms in which these are kept.

Put here: a module for each convention of attributes or events.
"""
