"""Spans and log records of OpenTelemetry, in any of the forms in which they are kept."""
