"""What to cite, as BibTeX."""

mcfee = """@inproceedings{mcfee2015librosa,
  author = {McFee, Brian and Raffel, Colin and Liang, Dawen and Ellis, Daniel P. W. and McVicar, Matt and
            Battenberg, Eric and Nieto, Oriol},
  title = {librosa: Audio and Music Signal Analysis in {Python}},
  booktitle = {Proc. Python in Science Conference (SciPy)},
  pages = {18--25},
  year = {2015},
}"""


fitzgerald = """@inproceedings{fitzgerald2010harmonic,
  author = {FitzGerald, Derry},
  title = {Harmonic/Percussive Separation Using Median Filtering},
  booktitle = {Proc. Int. Conf. on Digital Audio Effects (DAFx)},
  year = {2010},
}"""
