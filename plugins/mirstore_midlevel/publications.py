"""What to cite, as BibTeX."""

chowdhury = r"""@inproceedings{chowdhury2019midlevel,
  author = {Chowdhury, Shreyan and Vall, Andreu and Haunschmid, Verena and Widmer, Gerhard},
  title = {Towards Explainable Music Emotion Recognition: The Route via Mid-level Features},
  booktitle = {Proc. Int. Society for Music Information Retrieval Conference (ISMIR)},
  pages = {237--243},
  year = {2019},
}"""

aljanaki = r"""@inproceedings{aljanaki2018midlevel,
  author = {Aljanaki, Anna and Soleymani, Mohammad},
  title = {A Data-driven Approach to Mid-level Perceptual Musical Feature Modeling},
  booktitle = {Proc. Int. Society for Music Information Retrieval Conference (ISMIR)},
  pages = {615--621},
  year = {2018},
}"""
