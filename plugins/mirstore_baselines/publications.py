"""What to cite, as BibTeX."""

pedregosa = """@article{pedregosa2011scikit,
  author = {Pedregosa, Fabian and others},
  title = {Scikit-learn: Machine Learning in {Python}},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2825--2830},
  year = {2011},
}"""
