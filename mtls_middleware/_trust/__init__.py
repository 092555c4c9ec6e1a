"""The way of trust: files come in, frozen trust goes out. Whatever waits for disk or time lives here, aside."""
