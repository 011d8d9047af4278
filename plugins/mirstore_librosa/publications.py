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

grosche = """@article{grosche2011extracting,
  author = {Grosche, Peter and M{\\"u}ller, Meinard},
  title = {Extracting Predominant Local Pulse Information from Music Recordings},
  journal = {IEEE Transactions on Audio, Speech, and Language Processing},
  volume = {19},
  number = {6},
  pages = {1688--1701},
  year = {2011},
}"""

hsu = """@article{hsu2021deep,
  author = {Hsu, Wei-Han and Chen, Bo-Yu and Yang, Yi-Hsuan},
  title = {Deep Learning Based {EDM} Subgenre Classification using Mel-Spectrogram and Tempogram Features},
  journal = {arXiv:2110.08862},
  year = {2021},
}"""
