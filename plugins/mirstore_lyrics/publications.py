"""What to cite, as BibTeX."""

patakis = """@misc{patakis2025samat,
  author = {Patakis, Andreas and others},
  title = {Semantic-Aware Interpretable Multimodal Music Auto-Tagging},
  year = {2025},
}"""

cmudict = """@misc{cmudict,
  author = {{Carnegie Mellon University}},
  title = {The {CMU} Pronouncing Dictionary},
  howpublished = {\\url{http://www.speech.cs.cmu.edu/cgi-bin/cmudict}},
}"""
