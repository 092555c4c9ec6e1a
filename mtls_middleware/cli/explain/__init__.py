"""The command ``explain``: the verdict on a certificate step by step, with the evidence."""
