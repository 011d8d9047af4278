"""How the pages of the site that follow from code are made, one module per kind of page."""
