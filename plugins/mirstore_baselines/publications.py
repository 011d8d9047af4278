"""What to cite, as BibTeX."""

pedregosa = """@article{pedregosa2011scikit,
  author = {Pedregosa, Fabian and others},
  title = {Scikit-learn: Machine Learning in {Python}},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2825--2830},
  year = {2011},
}"""

geurts = """@article{geurts2006extremely,
  author = {Geurts, Pierre and Ernst, Damien and Wehenkel, Louis},
  title = {Extremely Randomized Trees},
  journal = {Machine Learning},
  volume = {63},
  number = {1},
  pages = {3--42},
  year = {2006},
}"""

friedman = """@article{friedman2001greedy,
  author = {Friedman, Jerome H.},
  title = {Greedy Function Approximation: A Gradient Boosting Machine},
  journal = {The Annals of Statistics},
  volume = {29},
  number = {5},
  pages = {1189--1232},
  year = {2001},
}"""
