"""What to cite, as BibTeX."""

fuglsang = r"""@misc{fuglsang2023embanded,
  author = {Fuglsang, S{\o}ren A. and others},
  title = {Exploring an {EM}-algorithm for banded regression in computational neuroscience},
  year = {2023},
  doi = {10.1101/2023.09.22.558945},
}"""
