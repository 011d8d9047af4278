"""Fitted models that are kept: a folder of safetensors and JSON with a card, known by the hash of the card."""
