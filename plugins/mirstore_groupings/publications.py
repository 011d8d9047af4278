"""What to cite, as BibTeX."""

patakis = """@misc{patakis2025samat,
  author = {Patakis, Andreas and others},
  title = {Semantic-Aware Interpretable Multimodal Music Auto-Tagging},
  year = {2025},
}"""
