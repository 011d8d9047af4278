"""What to cite, as BibTeX."""

mcfee = """@inproceedings{mcfee2015librosa,
  author = {McFee, Brian and Raffel, Colin and Liang, Dawen and Ellis, Daniel P. W. and McVicar, Matt and
            Battenberg, Eric and Nieto, Oriol},
  title = {librosa: Audio and Music Signal Analysis in {Python}},
  booktitle = {Proc. Python in Science Conference (SciPy)},
  pages = {18--25},
  year = {2015},
}"""

buisson = r"""@inproceedings{buisson2022ambiguity,
  author = {Buisson, Morgan and Alonso-Jim{\'e}nez, Pablo and Bogdanov, Dmitry},
  title = {Ambiguity Modelling with Label Distribution Learning for Music Classification},
  booktitle = {Proc. IEEE Int. Conf. Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2022},
}"""
