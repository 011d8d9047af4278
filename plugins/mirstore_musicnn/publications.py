"""What to cite, as BibTeX."""

musicnn = """@inproceedings{pons2019musicnn,
  author = {Pons, Jordi and Serra, Xavier},
  title = {musicnn: Pre-trained Convolutional Neural Networks for Music Audio Tagging},
  booktitle = {Late-Breaking Demo Session of the 20th International Society for Music Information Retrieval Conference},
  year = {2019},
}"""

pons = """@inproceedings{pons2018scale,
  author = {Pons, Jordi and Nieto, Oriol and Prockup, Matthew and Schmidt, Erik M. and Ehmann, Andreas F. and
    Serra, Xavier},
  title = {End-to-End Learning for Music Audio Tagging at Scale},
  booktitle = {Proceedings of the 19th International Society for Music Information Retrieval Conference},
  year = {2018},
}"""

choi = """@inproceedings{choi2016automatic,
  author = {Choi, Keunwoo and Fazekas, Gy{\\"o}rgy and Sandler, Mark},
  title = {Automatic Tagging Using Deep Convolutional Neural Networks},
  booktitle = {Proceedings of the 17th International Society for Music Information Retrieval Conference},
  year = {2016},
}"""
