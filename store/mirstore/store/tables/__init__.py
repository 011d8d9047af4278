"""Tables of others: how they are read, and what their columns and cells mean."""
