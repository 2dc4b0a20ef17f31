"""The state: the document that is remembered from run to run, and its file."""
