"""What to cite, as BibTeX."""

buisson = r"""@inproceedings{buisson2022ambiguity,
  author = {Buisson, Morgan and Alonso-Jim{\'e}nez, Pablo and Bogdanov, Dmitry},
  title = {Ambiguity Modelling with Label Distribution Learning for Music Classification},
  booktitle = {Proc. IEEE Int. Conf. Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2022},
}"""
