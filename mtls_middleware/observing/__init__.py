"""What others see: events, log, status, counters, OpenTelemetry. It decides nothing."""
