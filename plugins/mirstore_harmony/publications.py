"""What to cite, as BibTeX."""

patakis = """@misc{patakis2025samat,
  author = {Patakis, Andreas and others},
  title = {Semantic-Aware Interpretable Multimodal Music Auto-Tagging},
  year = {2025},
}"""

kantarelis = """@article{kantarelis2023functional,
  author = {Kantarelis, Spyridon and Dervakos, Edmund and Kotsani, Natalia and Stamou, Giorgos},
  title = {Functional Harmony Ontology: Musical Harmony Analysis with Description Logics},
  journal = {Journal of Web Semantics},
  volume = {75},
  year = {2023},
}"""
