"""Model weights that a component needs and mirstore does not ship: declared by a plugin, fetched once, kept in a cache.

A file is pinned by its SHA-256, and nothing reads it before that fits. One whose makers never published a hash has a
size, and a conversion that compares it with what is pinned. What is kept is safetensors, or the pinned file itself; no
pickle of a third party is ever loaded.
"""
