"""Example applications: what a customer's web service behind data actions looks like."""
