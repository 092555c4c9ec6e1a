"""The verb ``explain``: a verdict step by step, with the evidence."""
